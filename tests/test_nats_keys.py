"""New NKeys: what is written here, others read."""

import nkeys
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.nats_keys import SEED_SIZE, encode_seed, generate_key, generate_seed
from tests.nats_minting import CURVE_PREFIX, _armour, verify
from workers.nkeys import KeyPair, Kind, decode_seed

raw_seeds = st.binary(min_size=SEED_SIZE, max_size=SEED_SIZE)
PREFIXES = {
    Kind.ACCOUNT: nkeys.PREFIX_BYTE_ACCOUNT,
    Kind.CLUSTER: nkeys.PREFIX_BYTE_CLUSTER,
    Kind.OPERATOR: nkeys.PREFIX_BYTE_OPERATOR,
    Kind.SERVER: nkeys.PREFIX_BYTE_SERVER,
    Kind.USER: nkeys.PREFIX_BYTE_USER,
}


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(Kind), raw_seeds)
def test_a_seed_is_read_back_as_the_same_key(kind: Kind, raw: bytes) -> None:
    """The hot path's reader finds kind and key again."""
    read = decode_seed(encode_seed(kind, raw).reveal())
    assert (kind, KeyPair(kind, raw).public) == (read.kind, read.public)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(sorted(PREFIXES)), raw_seeds)
def test_a_seed_is_written_as_the_nkeys_library_writes_it(kind: Kind, raw: bytes) -> None:
    """The reference for all kinds that it knows."""
    assert nkeys.encode_seed(raw, PREFIXES[kind]).decode() == encode_seed(kind, raw).reveal()


@settings(max_examples=50, deadline=None)
@given(raw_seeds)
def test_a_curve_seed_is_written_in_the_framing_of_nats_io_nkeys(raw: bytes) -> None:
    """The Python library knows no curve keys; the framing is that of xkeys.go."""
    head = bytes([nkeys.PREFIX_BYTE_SEED | CURVE_PREFIX >> 5, (CURVE_PREFIX & 31) << 3])
    assert _armour(head + raw) == encode_seed(Kind.CURVE, raw).reveal()


@pytest.mark.parametrize("kind", Kind)
def test_a_new_key_has_its_kind_and_its_seed(kind: Kind) -> None:
    """The seed is the pair's, 58 characters, and its letters say what it is."""
    key = generate_key(kind)
    assert (key.public, f"S{kind}", 58) == (
        decode_seed(key.seed.reveal()).public,
        key.seed.reveal()[:2],
        len(key.seed.reveal()),
    )


def test_a_new_key_signs() -> None:
    """Another implementation takes the signature for the public key's."""
    key = generate_key(Kind.ACCOUNT)
    verify(key.public, b"message", key.pair.sign(b"message"))


def test_no_two_seeds_are_the_same() -> None:
    """They are drawn, not made up."""
    assert generate_seed(Kind.USER) != generate_seed(Kind.USER)


def test_a_key_does_not_show_its_seed() -> None:
    """Neither by its `repr` nor in a message."""
    key = generate_key(Kind.USER)
    assert key.seed.reveal() not in repr(key)


@pytest.mark.parametrize("size", [0, SEED_SIZE - 1, SEED_SIZE + 1])
def test_a_seed_of_another_size_is_refused(size: int) -> None:
    """Half a seed is no seed."""
    with pytest.raises(ValueError, match="32 bytes"):
        encode_seed(Kind.USER, bytes(size))
