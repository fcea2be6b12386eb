"""Text from outside in one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.printable import make_printable


def test_what_can_be_printed_stays() -> None:
    """Letters of any script, and blanks, are left as they are."""
    assert make_printable("naïve … 日本") == "naïve … 日本"


@pytest.mark.parametrize(("longest", "shown"), [(None, "ab\\nc"), (4, "ab\\nc"), (3, "ab\\n…"), (0, "…")])
def test_a_text_can_be_cut(longest: int | None, shown: str) -> None:
    """Before it is escaped, so that no escape is cut in two; and it shows that it was."""
    assert shown == make_printable("ab\nc", longest)


@given(st.text(st.characters()))
def test_any_text_becomes_one_line_that_can_be_encoded(text: str) -> None:
    """No control character, line end or lone surrogate is left."""
    printable = make_printable(text)
    assert printable.isprintable()
    printable.encode()
