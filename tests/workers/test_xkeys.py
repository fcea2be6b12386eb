"""Sealed messages, differential against PyNaCl's Box in nats-io/nkeys' framing."""

import base64
from collections.abc import Callable

import nkeys
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.minting import CurveKey, NatsKey
from workers.nkeys import decode_seed
from workers.xkeys import MAGIC, MAX_SERVERS, SealingKey

OURS = CurveKey.generate()
SERVER = CurveKey.generate()
STRANGER = CurveKey.generate()


def sealing_key() -> SealingKey:
    """Our key as the worker holds it."""
    return SealingKey(decode_seed(OURS.seed))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=3000))
def test_messages_cross_between_us_and_the_oracle(message: bytes) -> None:
    """What a server sealed we open, and what we seal a server opens."""
    key = sealing_key()
    assert message == key.open(SERVER.seal(message, key.public), SERVER.public)
    assert message == SERVER.open(key.seal(message, SERVER.public), key.public)


def test_the_public_key_is_the_oracles() -> None:
    """The key that the server's configuration names as xkey."""
    assert OURS.public == sealing_key().public


def test_only_a_curve_key_seals() -> None:
    """A signing key in its place is refused when it is loaded, not at the first request."""
    with pytest.raises(ValueError, match="not a curve key"):
        SealingKey(decode_seed(NatsKey.generate("account").seed))


def test_no_two_sealed_messages_are_alike() -> None:
    """A nonce used twice would give both messages away."""
    key = sealing_key()
    assert len({key.seal(b"same", SERVER.public) for _ in range(100)}) == 100


@settings(max_examples=300, deadline=None)
@given(st.integers(min_value=0), st.integers(1, 255))
def test_a_sealed_message_with_a_changed_byte_is_refused(position: int, mask: int) -> None:
    """Wherever the byte stands: magic, nonce, authenticator or text."""
    sealed = bytearray(SERVER.seal(b"a request", OURS.public))
    sealed[position % len(sealed)] ^= mask
    with pytest.raises(ValueError, match="seal"):
        sealing_key().open(bytes(sealed), SERVER.public)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80), st.booleans(), st.text(max_size=60) | st.just(SERVER.public))
def test_arbitrary_bytes_are_refused(data: bytes, magic: bool, sender: str) -> None:
    """Whatever the message and whoever the sender: `ValueError`, nothing else."""
    with pytest.raises(ValueError, match=r"."):
        sealing_key().open(MAGIC + data if magic else data, sender)


def test_every_cut_of_a_sealed_message_is_refused() -> None:
    """Down to nothing, and in the middle of the nonce."""
    sealed = SERVER.seal(b"a request", OURS.public)
    key = sealing_key()
    for length in range(len(sealed)):
        with pytest.raises(ValueError, match="seal"):
            key.open(sealed[:length], SERVER.public)


@pytest.mark.parametrize(
    "make",
    [
        lambda: (SERVER.seal(b"m", STRANGER.public), SERVER.public),
        lambda: (SERVER.seal(b"m", OURS.public), STRANGER.public),
        lambda: (STRANGER.seal(b"m", OURS.public), SERVER.public),
    ],
    ids=["for another", "another sender is named", "by another"],
)
def test_a_message_between_others_is_refused(make: Callable[[], tuple[bytes, str]]) -> None:
    """Sender and recipient are both part of the key."""
    message, sender = make()
    with pytest.raises(ValueError, match="not sealed for us by that sender"):
        sealing_key().open(message, sender)


def low_order_key() -> str:
    """A point that makes the shared key zero for everybody, in good text form."""
    raw = bytes([23 << 3]) + bytes(32)
    return base64.b32encode(raw + bytes(nkeys.crc16_checksum(raw))).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "public",
    ["", "X", SERVER.public[:-1], SERVER.seed, NatsKey.generate("server").public, low_order_key(), "\ud800" * 56],
    ids=["empty", "a letter", "short", "seed", "server's key", "low order", "half surrogates"],
)
def test_only_a_curve_key_is_a_sender_or_recipient(public: str) -> None:
    """Text that is no key, a key of another kind, and a point of low order are refused both ways."""
    key = sealing_key()
    with pytest.raises(ValueError, match="key"):
        key.open(SERVER.seal(b"m", OURS.public), public)
    with pytest.raises(ValueError, match="key"):
        key.seal(b"m", public)


def test_shared_keys_are_kept_in_bounded_number() -> None:
    """Made-up senders do not grow the memory, and the true server is served before, between and after them."""
    key = sealing_key()
    for number in range(MAX_SERVERS + 2):
        key.seal(b"m", CurveKey.generate().public)
        assert len(key._shared) <= MAX_SERVERS
        if number % 500 == 0:
            assert key.open(SERVER.seal(b"m", OURS.public), SERVER.public) == b"m"
    assert key.open(SERVER.seal(b"m", OURS.public), SERVER.public) == b"m"
