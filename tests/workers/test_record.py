"""workers.record: what is stored of a ServiceAccount comes back as it was."""

from hypothesis import given
from hypothesis import strategies as st

from workers.record import Record, pack, unpack

texts = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E))  # printable, as uids and accounts are


@given(st.builds(Record, texts, texts, st.binary()))
def test_a_record_comes_back_as_it_was(record: Record) -> None:
    """Whatever the permissions hold, a NUL too."""
    assert record == unpack(pack(record))


def test_what_is_not_there_is_none() -> None:
    """LMDB answers so for a key that it does not have."""
    assert unpack(None) is None


def test_the_layout_is_the_one_that_is_documented() -> None:
    """Another one needs another LAYOUT_VERSION of `workers.snapshot`."""
    assert b'u-1\0APP\0"pub":{}' == pack(Record("u-1", "APP", b'"pub":{}'))
