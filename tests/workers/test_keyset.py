"""JWK Sets: which keys count, what narrows them, and that one bad key does not spoil the others."""

import base64
import json
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, RSAAlgorithm, get_default_algorithms

from tests.minting import ABSENT, ALGORITHMS, Issuer, override
from workers.keyset import EMPTY, MAX_KEYS, MAX_RSA_BITS, KeySet, parse_keyset

MESSAGE = b"header.payload"
RSA_ALGORITHMS = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
jwk_members = st.sampled_from(("kty", "crv", "alg", "use", "kid", "n", "e", "x", "y", "d", "k", "key_ops", "p", "q"))
jwk_values = (
    json_values
    | st.sampled_from(("RSA", "EC", "OKP", "oct", "AKP", "sig", "enc", "Ed25519", "Ed448", "X25519", "secp256k1"))
    | st.sampled_from(("P-256", "P-384", "P-521", "none", "HS256", "ES256K", "RSA-OAEP", "AQAB", *ALGORITHMS))
)


@cache
def issuer(alg: str) -> Issuer:
    """One key for each algorithm: RSA keys take long to draw."""
    return Issuer.generate(alg, f"kid-{alg}")


def jwk(kind: str = "ES256", /, **overrides: Any) -> dict[str, Any]:
    """A JWK as kube-apiserver publishes it, but for the members named."""
    return issuer(kind).jwk(**overrides)


def parse(*keys: object, **members: object) -> KeySet:
    """Parse a set of these keys."""
    return parse_keyset(json.dumps({"keys": keys, **members}).encode())


def rsa_jwk(bits: int) -> dict[str, Any]:
    """A public RSA key of that size; nobody has the private one, so that a huge one is made at once."""
    numbers = RSAPublicNumbers(65537, (1 << bits) - 1)
    made: dict[str, Any] = RSAAlgorithm.to_jwk(numbers.public_key(), as_dict=True)
    return {"kty": "RSA", "kid": f"rsa-{bits}", "n": made["n"], "e": made["e"]}


def reason_for(entry: object) -> str:
    """Why a key is left out that stands beside a good one, which stays."""
    keyset = parse(entry, jwk())
    assert {"kid-ES256"} == set(keyset.keys)
    (problem,) = keyset.problems
    return problem


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_published_key_verifies_with_its_own_algorithm_only(alg: str) -> None:
    """`alg` narrows (RFC 7517 section 4.4); PyJWT has signed."""
    keyset = parse(jwk(alg))
    assert keyset.problems == ()
    assert {f"kid-{alg}": {alg}} == {kid: set(found) for kid, found in keyset.keys.items()}
    signature = get_default_algorithms()[alg].sign(MESSAGE, issuer(alg).key)
    assert keyset.keys[f"kid-{alg}"][alg](signature, MESSAGE)


@pytest.mark.parametrize(
    ("alg", "expected"),
    [("RS256", RSA_ALGORITHMS), ("ES256", {"ES256"}), ("ES384", {"ES384"}), ("ES512", {"ES512"}), ("EdDSA", {"EdDSA"})],
)
def test_without_alg_a_key_may_do_what_its_kind_can(alg: str, expected: set[str]) -> None:
    """`alg` is optional in a JWK, and so is `use`."""
    keyset = parse(jwk(alg, alg=ABSENT, use=ABSENT))
    assert expected == set(keyset.keys[f"kid-{alg}"])


@pytest.mark.parametrize("bits", [2048, 3072, MAX_RSA_BITS])
def test_rsa_keys_of_usual_sizes_are_taken(bits: int) -> None:
    """2048 bits at least (RFC 7518 section 3.3)."""
    assert {f"rsa-{bits}"} == set(parse(rsa_jwk(bits)).keys)


@pytest.mark.parametrize("bits", [512, 1024, 2047, MAX_RSA_BITS + 1, 20_000])
def test_rsa_keys_of_other_sizes_are_left_out(bits: int) -> None:
    """Too weak, or so large that verifying would be a weapon."""
    assert f"an RSA key of {bits} bits" in reason_for(rsa_jwk(bits))


SECP256K1 = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256K1()).public_key(), as_dict=True)
PRIVATE_RSA = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048), as_dict=True)
POINT = base64.urlsafe_b64encode(b"\1" * 32).decode().rstrip("=")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (jwk(kid=ABSENT), "no kid"),
        (jwk(kid=""), "no kid"),
        (jwk(kid=7), "no kid"),
        (jwk(kid=None), "no kid"),
        (jwk(kid=["kid-ES384"]), "no kid"),
        ({"kty": "oct", "kid": "h", "k": "c2VjcmV0"}, "keys of type 'oct'"),
        ({"kty": "AKP", "kid": "m", "alg": "ML-DSA-65", "pub": "AAAA"}, "keys of type 'AKP'"),
        (jwk("ES384", kty=ABSENT), "keys of type None"),
        (jwk("ES384", kty=["EC"]), "keys of type"),
        ({**PRIVATE_RSA, "kid": "p"}, "private key"),
        (jwk("ES384", d="AAAA"), "private key"),
        (jwk("EdDSA", d="AAAA"), "private key"),
        (jwk("ES384", use="enc"), "not meant for signatures"),
        (jwk("ES384", use=None), "not meant for signatures"),
        (jwk("ES384", use=["sig"]), "not meant for signatures"),
        (jwk("ES384", alg="ES256"), "algorithm"),
        (jwk("ES384", alg="RS256"), "algorithm"),
        (jwk("ES384", alg="HS256"), "algorithm"),
        (jwk("ES384", alg="none"), "algorithm"),
        (jwk("ES384", alg=None), "algorithm"),
        (jwk("ES384", alg=["ES384"]), "algorithm"),
        (jwk("RS256", alg="none"), "algorithm"),
        (jwk("RS256", alg="HS256"), "algorithm"),
        (jwk("RS256", alg="RSA-OAEP"), "algorithm"),
        (jwk("RS256", alg="ES256"), "algorithm"),
        (jwk("EdDSA", alg="Ed448"), "algorithm"),
        ({**SECP256K1, "kid": "k1"}, "algorithm"),
        ({**SECP256K1, "kid": "k1", "alg": "ES256K"}, "algorithm"),
        ({"kty": "OKP", "kid": "x", "crv": "X25519", "x": POINT}, "crv"),
        ({"kty": "OKP", "kid": "x", "crv": "Ed448", "x": POINT}, "crv"),
        (jwk("ES384", crv="P-256"), "left out"),
        (jwk("ES384", crv=ABSENT), "left out"),
        (jwk("ES384", crv=["P-384"]), "left out"),
        (jwk("ES384", x=jwk("ES384")["y"]), "left out"),
        (jwk("ES384", x=7), "left out"),
        (jwk("ES384", y=ABSENT), "left out"),
        (jwk("EdDSA", x="AAAA"), "left out"),
        (jwk("EdDSA", x=None), "left out"),
        (jwk("RS256", n=ABSENT), "left out"),
        (jwk("RS256", n=""), "left out"),
        (jwk("RS256", n="é"), "left out"),
        (jwk("RS256", e="AQ"), "left out"),
        (jwk("RS256", e="Ag"), "left out"),
        (jwk("RS256", e=65537), "left out"),
        ({}, "left out"),
    ],
)
def test_a_bad_key_is_left_out_and_spoils_no_other(entry: dict[str, Any], expected: str) -> None:
    """The reason names the key by its place, on one line, and the good key beside it stays."""
    problem = reason_for(entry)
    assert problem.startswith("key 0 (")
    assert expected in problem
    assert problem.isprintable()


def test_a_private_key_is_not_shown() -> None:
    """Whoever published it has given it away; our log need not spread it."""
    assert str(PRIVATE_RSA["d"])[:16] not in reason_for({**PRIVATE_RSA, "kid": "p"})


def test_a_complaint_is_short_whatever_the_key_holds() -> None:
    """Foreign text goes into a log line."""
    for entry in (jwk("ES384", kty="x" * 10_000), jwk("EdDSA", crv="x" * 10_000), jwk("ES384", kid="k" * 10_000, d="")):
        assert len(reason_for(entry)) < 300


def test_keys_of_one_kid_are_left_out_all_of_them() -> None:
    """A token could mean either; the keys that have their `kid` to themselves stay."""
    keyset = parse(jwk(), jwk("ES384", kid="kid-ES256"), jwk("EdDSA"))
    assert {"kid-EdDSA"} == set(keyset.keys)
    assert [problem[:19] for problem in keyset.problems] == ["key 0 ('kid-ES256')", "key 1 ('kid-ES256')"]


@pytest.mark.parametrize(("kid", "others"), [("None", ABSENT), ("None", None), ("7", 7), ("True", True)])
def test_a_kid_that_is_no_string_is_no_ones_equal(kid: str, others: object) -> None:
    """A key without a name does not take the name of another away."""
    assert {kid} == set(parse(jwk(kid=kid), jwk("ES384", kid=others)).keys)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"keys":null}',
        b'{"keys":{}}',
        b'{"keys":["a"]}',
        b'{"keys":[]}',
        b'{"keys":[{}]}',
        b'{"keys":[{"kty":"RSA"}]} x',
        b"<html>404</html>",
        b"\xff\xfe",
        b'{"keys":[{"x":' + b"[" * 5000 + b"]" * 5000 + b"}]}",
        b"[" * 100_000,
    ],
)
def test_a_document_without_a_usable_key_is_refused(document: bytes) -> None:
    """So that whoever fetched it keeps the last good one."""
    with pytest.raises(ValueError, match="JWK Set"):
        parse_keyset(document)


def test_too_many_keys_are_refused() -> None:
    """No API server publishes as many, and each takes time to read."""
    entries = [{"kty": "AKP", "kid": str(number)} for number in range(MAX_KEYS)]
    assert {"kid-ES256"} == set(parse(*entries[1:], jwk()).keys)
    with pytest.raises(ValueError, match="101 keys"):
        parse(*entries, jwk())


def test_members_that_nobody_asked_for_do_not_matter() -> None:
    """In the set and in a key (RFC 7517 sections 4 and 5)."""
    assert {"kid-ES256"} == set(parse(jwk(x5t="AAAA", nested={"a": [1]}), extra={"keys": []}).keys)


def test_the_empty_set_holds_no_key() -> None:
    """What a worker trusts before it was told whom to trust."""
    assert EMPTY.keys == {}


@settings(max_examples=300, deadline=None)
@given(st.lists(st.dictionaries(jwk_members, jwk_values, max_size=8) | json_values, max_size=4), st.booleans())
def test_a_document_of_any_shape_is_read_or_refused(entries: list[object], with_a_good_one: bool) -> None:
    """Nothing but `ValueError` comes out, and every key is either taken or complained about."""
    good = [jwk()] if with_a_good_one else []
    try:
        keyset = parse(*entries, *good)
    except ValueError:
        assert not with_a_good_one or not all(isinstance(entry, dict) for entry in entries)
    else:
        assert len(entries) + len(good) == len(keyset.keys) + len(keyset.problems)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ALGORITHMS), st.dictionaries(jwk_members, jwk_values | st.just(ABSENT), max_size=3))
def test_a_good_key_with_changed_members_is_read_or_left_out(alg: str, changes: dict[str, Any]) -> None:
    """Near misses: a true key, of which some members are something else."""
    entry = override(jwk(alg), changes)
    keyset = parse(entry, {**jwk("ES512"), "kid": "another"})
    assert "another" in keyset.keys
    assert len(keyset.keys) + len(keyset.problems) == 2


@settings(max_examples=100, deadline=None)
@given(st.sets(st.sampled_from(ALGORITHMS), min_size=1), st.data())
def test_good_keys_are_those_that_pyjwt_reads(algs: set[str], data: st.DataObject) -> None:
    """Differential: the same names, and each key verifies what the oracle's verifies."""
    entries = [jwk(alg, alg=data.draw(st.sampled_from((alg, ABSENT)))) for alg in sorted(algs)]
    document = {"keys": entries}
    oracle = jwt.PyJWKSet.from_dict(document)
    keyset = parse_keyset(json.dumps(document).encode())
    assert {key.key_id for key in oracle.keys} == set(keyset.keys)
    for alg in algs:
        method = get_default_algorithms()[alg]
        signature = method.sign(MESSAGE, issuer(alg).key)
        assert method.verify(MESSAGE, oracle[f"kid-{alg}"].key, signature)
        assert keyset.keys[f"kid-{alg}"][alg](signature, MESSAGE)
