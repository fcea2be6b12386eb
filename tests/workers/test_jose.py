"""Compact JWS: the form is strict, and each algorithm verifies just what RFC 7518 says it does."""

import base64
import re
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import get_default_algorithms

from tests import minting
from tests.minting import Issuer
from workers.jose import ALGORITHMS, ALPHABET, decode_segment, encode_segment, split, verifiers

COMPACT = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
SIGNING_INPUT = b"eyJhbGciOiJSUzI1NiJ9.e30"
ECDSA = {"ES256": (SHA256(), 64), "ES384": (SHA384(), 96), "ES512": (SHA512(), 132)}
FAMILIES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}

segments = st.text("ABCxyz019-_", max_size=6).map(str.encode)
near_tokens = st.text("Aa0-_.+/= \n\x00é", max_size=20).map(str.encode)


@cache
def issuer(alg: str) -> Issuer:
    """One key for each algorithm: RSA keys take long to draw."""
    return Issuer.generate(alg, "k")


@cache
def sign(alg: str, message: bytes = SIGNING_INPUT) -> bytes:
    """A good signature, made by PyJWT."""
    made: bytes = get_default_algorithms()[alg].sign(message, issuer(alg).key)
    return made


def verify(alg: str, signature: bytes, message: bytes = SIGNING_INPUT) -> bool:
    """What our verifier of that algorithm says."""
    return verifiers(issuer(alg).key.public_key())[alg](signature, message)


@settings(max_examples=300, deadline=None)
@given(near_tokens | st.tuples(segments, segments, segments).map(b".".join) | st.binary(max_size=12))
def test_a_token_is_three_full_segments_of_base64url(token: bytes) -> None:
    """RFC 7515 section 3.1, with a regular expression as the oracle."""
    match = COMPACT.fullmatch(token)
    compact = split(token)
    if match is None:
        assert compact is None
        return
    assert compact is not None
    header, payload, signature = match.groups()
    assert (header, payload, signature) == (compact.header, compact.payload, compact.signature)
    assert header + b"." + payload == compact.signing_input


@pytest.mark.parametrize("token", [b"", b"..", b"a.b", b"a.b.", b".b.c", b"a..c", b"a.b.c.d", b"a.b.c\n", b"a.b.c=="])
def test_another_form_is_no_token(token: bytes) -> None:
    """Two segments, four, an empty one, padding or a line end: none of them is repaired."""
    assert split(token) is None


@settings(max_examples=200, deadline=None)
@given(st.binary())
def test_a_segment_is_unpadded_base64url(data: bytes) -> None:
    """RFC 7515 section 2, with the standard library as the oracle, there and back."""
    segment = encode_segment(data)
    assert base64.urlsafe_b64encode(data).rstrip(b"=") == segment
    assert data == decode_segment(segment)


@settings(max_examples=200, deadline=None)
@given(st.text(ALPHABET.decode(), max_size=30).map(str.encode))
def test_text_of_the_alphabet_decodes_as_the_standard_library_does(segment: bytes) -> None:
    """Also where the last character has bits that count for nothing."""
    if len(segment) % 4 == 1:
        with pytest.raises(ValueError, match=r"."):
            decode_segment(segment)
    else:
        assert base64.urlsafe_b64decode(segment + b"==") == decode_segment(segment)


def test_there_are_just_the_public_key_algorithms() -> None:
    """No HS*, no none: what is not in the set does not exist."""
    assert frozenset(minting.ALGORITHMS) == ALGORITHMS


@pytest.mark.parametrize("alg", minting.ALGORITHMS)
def test_a_key_verifies_with_the_algorithms_of_its_kind_and_no_others(alg: str) -> None:
    """RSA keys do RS* and PS*, a curve does the one hash that goes with it (RFC 7518 section 3.4)."""
    family = {name for name in minting.ALGORITHMS if FAMILIES[name[:2]] == FAMILIES[alg[:2]]}
    expected = {alg} if alg.startswith("ES") else family
    assert expected == set(verifiers(issuer(alg).key.public_key()))


def test_a_curve_that_no_algorithm_goes_with_verifies_nothing() -> None:
    """secp256k1 (ES256K) is not what API servers sign with."""
    assert verifiers(ec.generate_private_key(ec.SECP256K1()).public_key()) == {}


@pytest.mark.parametrize("alg", minting.ALGORITHMS)
def test_a_good_signature_verifies(alg: str) -> None:
    """What PyJWT has signed."""
    assert verify(alg, sign(alg))


@pytest.mark.parametrize("alg", minting.ALGORITHMS)
@pytest.mark.parametrize(
    "signature",
    [
        lambda _: b"",
        lambda good: good[:-1],
        lambda good: good + b"\0",
        lambda good: b"\0" * len(good),
        lambda good: b"\xff" * len(good),
        lambda good: good[len(good) // 2 :] + good[: len(good) // 2],
        lambda good: bytes([good[0] ^ 1]) + good[1:],
        lambda good: good[:-1] + bytes([good[-1] ^ 1]),
    ],
    ids=["empty", "short", "long", "zeros", "ones", "halves swapped", "first bit", "last bit"],
)
def test_another_signature_does_not_verify(alg: str, signature: Any) -> None:
    """Neither a damaged one nor one of another length, and none of them raises."""
    assert not verify(alg, signature(sign(alg)))


@pytest.mark.parametrize("alg", minting.ALGORITHMS)
def test_a_signature_counts_for_its_own_message_only(alg: str) -> None:
    """Another message, the same signature: no."""
    assert not verify(alg, sign(alg), SIGNING_INPUT + b"x")


@pytest.mark.parametrize("signed_with", ["RS256", "RS384", "PS256", "PS512"])
def test_an_rsa_signature_counts_for_its_own_algorithm_only(signed_with: str) -> None:
    """One key, six algorithms: a signature of one is none of the others."""
    key = issuer("RS256")
    signature = get_default_algorithms()[signed_with].sign(SIGNING_INPUT, key.key)
    found = verifiers(key.key.public_key())
    assert {signed_with} == {name for name, verify in found.items() if verify(signature, SIGNING_INPUT)}


@pytest.mark.parametrize("alg", ECDSA)
def test_an_ecdsa_signature_is_two_numbers_side_by_side(alg: str) -> None:
    """RFC 7518 section 3.4: the DER form that other protocols use is refused, even though the numbers are right."""
    key = issuer(alg).key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    digest, size = ECDSA[alg]
    assert size == len(sign(alg))
    assert not verify(alg, key.sign(SIGNING_INPUT, ec.ECDSA(digest)))


def test_a_pss_salt_is_as_long_as_the_hash() -> None:
    """RFC 7518 section 3.5; a signature with another salt is good RSA and still no PS256."""
    key = issuer("PS256").key
    assert isinstance(key, RSAPrivateKey)
    salted = {
        length: key.sign(SIGNING_INPUT, padding.PSS(padding.MGF1(SHA256()), length), SHA256()) for length in (0, 20, 32)
    }
    assert {length: verify("PS256", made) for length, made in salted.items()} == {0: False, 20: False, 32: True}


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(minting.ALGORITHMS), st.binary(max_size=300), st.binary(max_size=40))
def test_arbitrary_bytes_are_no_signature(alg: str, signature: bytes, message: bytes) -> None:
    """No bytes make a verifier raise, and none that were not signed verify."""
    assert not verify(alg, signature, message)
