"""NKeys, differential against the nkeys library, with PyNaCl for the curve keys that it does not know."""

import base64
import re
from contextlib import suppress
from typing import Any

import nkeys
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.public import PrivateKey

from tests import minting
from tests.minting import CurveKey, NatsKey
from workers.nkeys import (
    KeyPair,
    Kind,
    decode_public,
    decode_seed,
    encode_public,
    looks_public,
    verify,
)

PREFIXES = {
    Kind.ACCOUNT: nkeys.PREFIX_BYTE_ACCOUNT,
    Kind.CLUSTER: nkeys.PREFIX_BYTE_CLUSTER,
    Kind.OPERATOR: nkeys.PREFIX_BYTE_OPERATOR,
    Kind.SERVER: nkeys.PREFIX_BYTE_SERVER,
    Kind.USER: nkeys.PREFIX_BYTE_USER,
}
PUBLIC = re.compile(r"[A-Z2-7]{56}")
SEED_SPARE_BITS = 2  # 58 characters are 290 bits, 288 of which are the seed

signing_kinds = st.sampled_from(sorted(PREFIXES))
raw_keys = st.binary(min_size=32, max_size=32)
ACCOUNT = NatsKey.generate("account")
CURVE = CurveKey.generate()


def armour(raw: bytes) -> str:
    """Base32 with a good checksum, whatever the bytes are: forms that no tool makes."""
    return base64.b32encode(raw + bytes(nkeys.crc16_checksum(raw))).rstrip(b"=").decode()


@settings(max_examples=100, deadline=None)
@given(signing_kinds, raw_keys, st.binary(max_size=100), st.booleans())
def test_a_seed_is_read_as_the_nkeys_library_reads_it(kind: Kind, seed: bytes, message: bytes, as_bytes: bool) -> None:
    """Kind, public key and signature are those of the oracle."""
    text: bytes = nkeys.encode_seed(seed, PREFIXES[kind])
    oracle = nkeys.from_seed(bytearray(text))
    key = decode_seed(text if as_bytes else text.decode())
    assert kind is key.kind
    assert oracle.public_key.decode() == key.public
    assert text.decode() == key.encode_seed()
    assert oracle.sign(message) == key.sign(message)
    assert (kind, base64.b32decode(key.public)[1:33]) == decode_public(key.public)
    minting.verify(key.public, message, key.sign(message))


@settings(max_examples=100, deadline=None)
@given(raw_keys)
def test_a_curve_seed_is_the_scalar_itself(seed: bytes) -> None:
    """nats-io/nkeys xkeys.go does not hash it; PyNaCl says what the public key is."""
    text = armour(bytes([18 << 3 | 23 >> 2, (23 << 3 & 0x1F) << 3]) + seed)
    key = decode_seed(text)
    assert text == key.encode_seed()
    assert (Kind.CURVE, seed) == (key.kind, key.curve_scalar())
    assert (Kind.CURVE, bytes(PrivateKey(seed).public_key)) == decode_public(key.public)


def test_curve_keys_are_those_of_the_oracle() -> None:
    """The text forms, end to end."""
    key = decode_seed(CURVE.seed)
    assert (CURVE.public, CURVE.seed) == (key.public, key.encode_seed())


def test_only_a_curve_key_has_a_scalar() -> None:
    """A signing key is no X25519 scalar, and is not to be used as one."""
    with pytest.raises(ValueError, match="not a curve key"):
        decode_seed(ACCOUNT.seed).curve_scalar()


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(Kind), raw_keys)
def test_a_public_key_reads_back(kind: Kind, key: bytes) -> None:
    """Text and bytes are two forms of one thing; the text begins with the kind's letter."""
    text = encode_public(kind, key)
    assert kind.value == text[0]
    assert (kind, key) == decode_public(text) == decode_public(text.encode())
    assert looks_public(text, kind)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 55), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_a_public_key_with_a_wrong_character_is_noticed(position: int, letter: str) -> None:
    """The checksum is one of 16 bits: it sees every change of a single character."""
    text = ACCOUNT.public[:position] + letter + ACCOUNT.public[position + 1 :]
    if text == ACCOUNT.public:
        assert decode_public(text)[0] is Kind.ACCOUNT
    else:
        with pytest.raises(ValueError, match="checksum"):
            decode_public(text)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 57), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_a_seed_with_a_wrong_character_is_noticed(position: int, letter: str) -> None:
    """All but the last two bits of the last character, which stand for nothing."""
    text = ACCOUNT.seed[:position] + letter + ACCOUNT.seed[position + 1 :]
    if base64.b32decode(text + "======") == base64.b32decode(ACCOUNT.seed + "======"):
        assert ACCOUNT.public == decode_seed(text).public
    else:
        with pytest.raises(ValueError, match="checksum"):
            decode_seed(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "S",
        ACCOUNT.seed[:-1],
        ACCOUNT.seed + "A",
        ACCOUNT.seed.lower(),
        ACCOUNT.seed + "\n",
        " " + ACCOUNT.seed[1:],
        ACCOUNT.seed[:-1] + "=",
        ACCOUNT.seed[:-1] + "é",
        ACCOUNT.seed[:-1] + "\ud800",
        ACCOUNT.public,
        armour(bytes([17 << 3, 0]) + bytes(32)),
        armour(bytes([18 << 3 | 7, 31 << 3]) + bytes(32)),
    ],
    ids=[
        "empty",
        "a letter",
        "short",
        "long",
        "lower case",
        "line end",
        "space",
        "padding",
        "é",
        "half a surrogate",
        "public key",
        "not S",
        "unknown kind",
    ],
)
def test_other_text_is_no_seed_and_is_not_shown(text: str) -> None:
    """Whatever is wrong with it, the complaint holds nothing of the text: it might be most of a real seed."""
    with pytest.raises(ValueError, match="seed") as caught:
        decode_seed(text)
    assert ACCOUNT.seed[2:10] not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "B" * 56, ACCOUNT.public[:-1], ACCOUNT.seed, ACCOUNT.public.lower(), "é" * 56, ACCOUNT.public + "\n"],
    ids=["empty", "checksum", "short", "seed", "lower case", "not ASCII", "line end"],
)
def test_other_text_is_no_public_key(text: str) -> None:
    """Wrong length, letters or checksum."""
    with pytest.raises(ValueError, match="not a public key"):
        decode_public(text)


def test_there_are_six_kinds_of_public_keys() -> None:
    """Every other prefix is refused, the seeds' `S` and the private keys' `P` among them."""
    found = set()
    for prefix in range(256):
        with suppress(ValueError):
            found.add(decode_public(armour(bytes([prefix]) + bytes(32)))[0])
    assert set(Kind) == found


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.text('ABN27."é0a', min_size=56, max_size=56), st.sampled_from(Kind))
def test_what_looks_public_is_safe_to_splice(text: str, kind: Kind) -> None:
    """It may have a wrong checksum, but it holds nothing that JSON would have to escape."""
    expected = PUBLIC.fullmatch(text) is not None and text[0] == kind.value
    assert expected == looks_public(text, kind)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.ACCOUNT])
def test_a_key_of_another_kind_does_not_look_like_this_one(kind: Kind) -> None:
    """The first letter is the kind."""
    assert not looks_public(ACCOUNT.public, kind)


@settings(max_examples=200, deadline=None)
@given(raw_keys, st.binary(max_size=50), st.binary(max_size=100) | st.binary(min_size=64, max_size=64))
def test_arbitrary_bytes_are_no_signature(public: bytes, message: bytes, signature: bytes) -> None:
    """Whatever the key, the message and the signature are: no, and no exception."""
    assert not verify(public, message, signature)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 64 * 8 - 1), st.binary(min_size=1, max_size=40))
def test_a_signature_counts_only_whole_and_for_its_own_message_and_key(bit: int, message: bytes) -> None:
    """One bit of the signature, one byte of the message, another key: no."""
    signature = ACCOUNT.sign(message)
    public = decode_public(ACCOUNT.public)[1]
    damaged = bytearray(signature)
    damaged[bit // 8] ^= 1 << bit % 8
    assert verify(public, message, signature)
    assert not verify(public, message, bytes(damaged))
    assert not verify(public, message[:-1], signature)
    assert not verify(decode_public(NatsKey.generate("account").public)[1], message, signature)


@pytest.mark.parametrize("length", [0, 1, 63, 65, 128])
def test_a_signature_has_64_bytes(length: int) -> None:
    """With another length, bytes of the message would be taken for the signature's."""
    message = b"message"
    signature = (ACCOUNT.sign(message) + message * 20)[:length]
    assert not verify(decode_public(ACCOUNT.public)[1], message, signature)


@pytest.mark.parametrize("text", [ACCOUNT.seed, CURVE.seed])
def test_a_key_pair_shows_its_public_half_only(text: str) -> None:
    """Neither `repr` nor `str` nor an attribute dictionary gives the private half away."""
    key: Any = decode_seed(text)
    assert f"KeyPair({key.public})" == repr(key) == str(key)
    assert not hasattr(key, "__dict__")
    assert isinstance(key, KeyPair)
