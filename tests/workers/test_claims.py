"""What is read from foreign JSON: just the fields that count, and nothing that could be anything else."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.minting import ABSENT, Issuer, NatsKey, PretendServer, claims_of, override
from workers.claims import (
    BoundObject,
    KubernetesClaims,
    RequestClaims,
    TokenClaims,
    decode_header,
    decode_request,
    decode_token,
)

NOW = 1_800_000_000
DECODERS: list[Callable[[bytes], object]] = [decode_request, decode_token, decode_header]
REQUEST: dict[str, Any] = {"iss": "N", "nats": {"server_id": {"id": "N"}, "user_nkey": "U"}}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
member_names = st.sampled_from(
    ("iss", "sub", "aud", "exp", "nbf", "iat", "kubernetes.io", "nats", "alg", "kid", "crit", "server_id", "namespace")
)


def encode(value: object) -> bytes:
    """JSON as Python writes it, NaN and Infinity included."""
    return json.dumps(value).encode()


def test_a_servers_request_is_read() -> None:
    """Every field that the decision stands on is found where nats-server puts it."""
    server = PretendServer(NatsKey.generate("server"))
    request = server.request("ACALLOUT", now=NOW, token="eyJ", password="pw", client_info={"host": "10.0.0.9"})
    claims = decode_request(encode(claims_of(request.payload.decode())))
    assert (server.key.public, "ACALLOUT", "nats-authorization-request", NOW + 2) == (
        claims.iss,
        claims.sub,
        claims.aud,
        claims.exp,
    )
    body = claims.nats
    assert (server.key.public, "pretend", "") == (body.server_id.id, body.server_id.name, body.server_id.xkey)
    assert (request.user, "authorization_request", 2) == (body.user_nkey, body.type, body.version)
    assert (
        body.connect_opts.auth_token,
        body.connect_opts.password,
        body.client_info.host,
    ) == ("eyJ", "pw", "10.0.0.9")


def test_the_clients_own_jwt_has_no_place_to_be_read_into() -> None:
    """In operator mode `connect_opts.jwt` is the sentinel's, so nothing of it is even decoded."""
    options = {"jwt": "eyJ.SENTINEL.x", "nkey": "UX", "sig": "s", "user": "u"}
    claims = decode_request(encode({"iss": "N", "nats": {**REQUEST["nats"], "connect_opts": options}}))
    assert "SENTINEL" not in repr(claims)


def test_a_request_without_its_optional_parts_is_read_as_empty() -> None:
    """Whatever may be missing reads as empty, and an empty `exp` has passed long ago."""
    expected = RequestClaims(iss="N", nats=decode_request(encode(REQUEST)).nats, aud="", sub="", exp=0)
    assert expected == decode_request(encode(REQUEST))
    assert "" == expected.nats.connect_opts.auth_token == expected.nats.connect_opts.password


@pytest.mark.parametrize("missing", ["iss", "nats"])
def test_a_request_needs_an_issuer_and_a_body(missing: str) -> None:
    """Without those two there is nobody to answer."""
    with pytest.raises(ValueError, match=missing):
        decode_request(encode(override(REQUEST, {missing: ABSENT})))


@pytest.mark.parametrize("pod", [None, "pod-0"])
def test_a_serviceaccount_token_is_read(pod: str | None) -> None:
    """The claims that kube-apiserver sets are found, with a pod and without."""
    token = Issuer.generate("ES256").token(
        "shop", "web.front", "uid-1", audience=["nats", "b"], issuer="https://k", now=NOW, ttl=600, pod=pod
    )
    expected = TokenClaims(
        iss="https://k",
        sub="system:serviceaccount:shop:web.front",
        aud=["nats", "b"],
        exp=NOW + 600,
        nbf=NOW,
        iat=NOW,
        kubernetes=KubernetesClaims("shop", BoundObject("web.front", "uid-1")),
    )
    assert expected == decode_token(encode(claims_of(token)))


@pytest.mark.parametrize(
    "text",
    [
        '{"exp": "1800000000"}',
        '{"exp": true}',
        '{"exp": [1]}',
        '{"exp": NaN}',
        '{"exp": Infinity}',
        '{"exp": 1e999}',
        '{"exp": -1e999}',
        '{"exp": ' + "9" * 400 + "}",
        '{"exp": 0x10}',
        '{"exp": 01}',
        '{"nbf": "0"}',
        '{"nbf": null}',
        '{"iat": false}',
        '{"iat": null}',
        '{"aud": null}',
        '{"aud": 7}',
        '{"aud": {"nats": 1}}',
        '{"aud": ["nats", 7]}',
        '{"aud": ["nats", null]}',
        '{"aud": [["nats"]]}',
        '{"iss": null}',
        '{"iss": ["https://k"]}',
        '{"sub": 1}',
        '{"kubernetes.io": null}',
        '{"kubernetes.io": []}',
        '{"kubernetes.io": {"namespace": 1}}',
        '{"kubernetes.io": {"serviceaccount": null}}',
        '{"kubernetes.io": {"serviceaccount": {"uid": 7}}}',
        '{"iss": "\\ud800"}',
        '{"iss": "a" "b"}',
        '{"iss": "a"} {}',
        '{"iss": "a",}',
        "[]",
        "null",
        '"text"',
        "",
    ],
)
def test_a_token_with_a_member_of_another_type_is_not_read(text: str) -> None:
    """No value is bent into the type that was expected: not "1" into 1, not true into 1, not null into nothing."""
    with pytest.raises(ValueError, match=r"."):
        decode_token(text.encode())


@pytest.mark.parametrize(
    ("number", "expected"), [("1.5", 1.5), ("-1", -1.0), ("1E3", 1000.0), ("-0", 0.0), ("1e308", 1e308), ("7", 7.0)]
)
def test_a_time_may_be_any_finite_json_number(number: str, expected: float) -> None:
    """RFC 7519 section 2, NumericDate: whole seconds or fractions."""
    assert expected == decode_token(f'{{"exp":{number}}}'.encode()).exp


def test_the_last_of_two_equal_members_counts() -> None:
    """RFC 7519 section 4 leaves the choice; Go, Python's json and this decoder all take the last."""
    assert decode_token(b'{"exp":1,"exp":2}').exp == 2


@pytest.mark.parametrize("crit", ["null", "[]", '["b64"]', '"b64"', '{"a":[1]}', "false"])
def test_crit_is_noticed_whatever_it_is(crit: str) -> None:
    """RFC 7515 section 4.1.11: who does not know an extension refuses it, so its presence must not be lost."""
    with_crit = decode_header(f'{{"alg":"ES256","kid":"k","crit":{crit}}}'.encode())
    without = decode_header(b'{"alg":"ES256","kid":"k"}')
    assert (bool(with_crit.crit), bool(without.crit)) == (True, False)


@pytest.mark.parametrize("text", ['{"alg":null}', '{"alg":["ES256"]}', '{"kid":null}', '{"kid":7}', "[]"])
def test_a_header_with_a_member_of_another_type_is_not_read(text: str) -> None:
    """`alg` and `kid` are strings (RFC 7515 sections 4.1.1 and 4.1.4)."""
    with pytest.raises(ValueError, match=r"."):
        decode_header(text.encode())


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(DECODERS), st.dictionaries(member_names | st.text(), json_values, max_size=6))
def test_json_of_any_shape_is_read_or_refused(decode: Callable[[bytes], object], document: dict[str, Any]) -> None:
    """Nothing but `ValueError` comes out of a decoder, whatever the members hold."""
    try:
        decode(encode(document))
    except ValueError:
        return


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(DECODERS), st.binary(max_size=200))
def test_bytes_of_any_kind_are_read_or_refused(decode: Callable[[bytes], object], data: bytes) -> None:
    """Nothing but `ValueError` comes out of a decoder, whatever the bytes are."""
    try:
        decode(data)
    except ValueError:
        return
