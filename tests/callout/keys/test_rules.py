"""Tests of `callout.keys.rules`."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.keys.rules import (
    ASK_INTERVAL_S,
    FAILURE_MAX_S,
    MAX_DOCUMENT_BYTES,
    MAX_ISSUER_LENGTH,
    MAX_REFRESH_S,
    MIN_REFRESH_S,
    check_document,
    explain_api_audiences,
    find_api_audiences,
    lifetime,
    next_refresh,
    parse_max_age,
    read_issuer,
)
from tests.minting import Issuer

DRAWS = st.floats(0, 1, exclude_max=True)


@settings(max_examples=200, deadline=None)
@given(st.none() | st.floats(0, 1e12), st.integers(0, 10_000), DRAWS)
def test_the_wait_is_always_within_its_bounds(max_age: float | None, failures: int, draw: float) -> None:
    """Whatever the server says and however often it failed, the next attempt is neither at once nor never."""
    seconds = next_refresh(max_age, failures, draw)
    assert (0.5 if failures else MIN_REFRESH_S) <= seconds <= MAX_REFRESH_S


@settings(max_examples=200, deadline=None)
@given(st.none() | st.floats(0, 1e12), DRAWS)
def test_a_key_set_is_fetched_again_while_it_counts_as_fresh(max_age: float | None, draw: float) -> None:
    """So one that is older has missed a refresh, whatever the server says; at the bounds both are the same."""
    assert next_refresh(max_age, 0, draw) <= lifetime(max_age)


@pytest.mark.parametrize(
    ("max_age", "seconds"), [(None, 300.0), (0.0, 30.0), (30.0, 30.0), (3600.0, 3600.0), (1e9, 3600.0)]
)
def test_a_key_set_is_fresh_for_max_age_within_bounds(max_age: float | None, seconds: float) -> None:
    """An answer that may not be kept, or may be for ever, is taken as one that may be for a while."""
    assert seconds == lifetime(max_age)


@settings(max_examples=200, deadline=None)
@given(st.floats(2 * MIN_REFRESH_S, MAX_REFRESH_S), st.integers(0, 3), DRAWS)
def test_the_key_set_is_fetched_again_within_max_age(max_age: float, failures: int, draw: float) -> None:
    """A key that is published for max-age before it signs is known in time."""
    assert next_refresh(max_age, failures, draw) < max_age


@pytest.mark.parametrize(
    ("max_age", "failures", "draw", "seconds"),
    [
        (3600.0, 0, 0.0, 1800.0),
        (3600.0, 0, 0.5, 2520.0),
        (None, 0, 0.0, 150.0),
        (0.0, 0, 0.5, 30.0),
        (1e9, 0, 0.5, 3600.0),
        (3600.0, 1, 0.0, 0.5),
        (3600.0, 2, 0.0, 1.0),
        (3600.0, 3, 0.0, 2.0),
        (3600.0, 7, 0.0, 30.0),
        (3600.0, 8, 0.0, 30.0),
        (3600.0, 1000, 0.0, 30.0),
        (40.0, 1000, 0.9, 34.4),
    ],
)
def test_the_wait_follows_max_age_and_failures(
    max_age: float | None, failures: int, draw: float, seconds: float
) -> None:
    """Half of max-age at least after a success; after failures sooner, doubling, and never later than without them."""
    assert seconds == pytest.approx(next_refresh(max_age, failures, draw))


def test_failures_are_followed_up_within_a_minute() -> None:
    """Even after many failures the next attempt comes within `FAILURE_MAX_S`."""
    assert next_refresh(3600.0, 1000, 0.999) <= FAILURE_MAX_S


def test_asking_is_rarer_than_a_first_failure_is_repeated() -> None:
    """Tokens with unknown keys cannot make the API server busier than a fault of its own does."""
    assert ASK_INTERVAL_S > next_refresh(3600.0, 1, 0.999)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("public, max-age=3600", 3600.0),
        ("max-age=60", 60.0),
        ("Max-Age=60 , public", 60.0),
        ('max-age="60"', 60.0),
        ("max-age=0", 0.0),
        ("max-age=99999999999999999999999999", 2147483648.0),
        ("max-age=9999999999", 9999999999.0),
        ("s-maxage=5, max-age=7", 7.0),
        ("s-maxage=5", None),
        ("x-max-age=5", None),
        ("max-age", None),
        ("max-age=", None),
        ("max-age=-1", None),
        ("max-age=1.5", None),
        ("max-age=٣", None),
        ("max-age=6 0", None),
        ("no-store", None),
        ("", None),
        (None, None),
    ],
)
def test_max_age_is_read_from_cache_control(header: str | None, seconds: float | None) -> None:
    """RFC 9111: names are compared without case, quotes are allowed, too large is 2^31, the rest is nothing."""
    assert seconds == parse_max_age(header)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='max-age=0123456789", spublic', max_size=60))
def test_any_header_gives_seconds_or_nothing(header: str) -> None:
    """A header that makes no sense is no header."""
    seconds = parse_max_age(header)
    assert seconds is None or seconds >= 0


def test_a_key_set_with_a_key_is_taken() -> None:
    """The set of an issuer is read as the workers read it."""
    issuer = Issuer.generate("ES256", kid="first")
    assert {"first"} == set(check_document(json.dumps(issuer.jwks()).encode()).keys)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"no JSON",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[]}',
        b'{"keys":[{"kty":"oct","kid":"a","k":"AAAA"}]}',
        b'{"keys":[{"kty":"RSA","kid":"a","n":"AQ","e":"AQAB"}]}',
        b'{"keys":[{"x":' + b"[" * 5000 + b"]" * 5000 + b"}]}",
        b'{"keys":[]}' + b" " * MAX_DOCUMENT_BYTES,
    ],
)
def test_a_document_without_a_usable_key_is_refused(document: bytes) -> None:
    """What holds no key to verify with is no key set, with a reason on one line."""
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        check_document(document)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.recursive(st.none() | st.text(), st.lists).map(json.dumps))
def test_any_document_is_taken_or_refused(document: bytes | str) -> None:
    """Whatever comes instead of a key set, the answer is a reason and never another error."""
    with pytest.raises(ValueError, match=r"."):
        check_document(document.encode() if isinstance(document, str) else document)


def test_the_issuer_is_read_from_the_openid_configuration() -> None:
    """Of the document only `issuer` counts; where it says the keys are is not even looked at."""
    document = b'{"issuer":"https://issuer.example","jwks_uri":"https://elsewhere.example"}'
    assert "https://issuer.example" == read_issuer(document)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b'{"issuer":1}',
        b'{"issuer":""}',
        b'{"issuer":"a\\u0000b"}',
        b'{"issuer":"' + b"a" * (MAX_ISSUER_LENGTH + 1) + b'"}',
        b'{"issuer":"a","x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_an_openid_configuration_without_an_issuer_is_refused(document: bytes) -> None:
    """An issuer is a text of a sensible length that can be printed."""
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        read_issuer(document)


@pytest.mark.parametrize(
    "audience",
    [
        "https://issuer.example",
        "https://kubernetes.default.svc",
        "https://kubernetes.default.svc.cluster.local",
        "https://kubernetes.default:443/",
        "kubernetes.default.svc",
        "k3s",
        "rke2",
    ],
)
def test_the_audiences_of_the_api_server_are_known(audience: str) -> None:
    """The issuer by default, the names that its Service has, and those of distributions."""
    assert (audience,) == find_api_audiences(("nats", audience), ("https://issuer.example",))
    assert explain_api_audiences((audience,)).startswith(f"{audience} is for the API server, so the token that each")


def test_whoever_the_pods_own_token_is_for_is_the_api_server() -> None:
    """Whatever it is called: that token is shown to nobody else."""
    named = find_api_audiences(("nats", "api.example", "k3s"), ("https://issuer.example",), ("api.example", "other"))
    assert ("api.example", "k3s") == named


@pytest.mark.parametrize(
    "audience", ["nats", "https://nats.example", "https://kubernetes.default.svc.evil/x", "k3s.example", ""]
)
def test_what_is_for_others_is_none_of_them(audience: str) -> None:
    """A name that begins alike is another."""
    assert () == find_api_audiences((audience,), ("https://issuer.example",))
