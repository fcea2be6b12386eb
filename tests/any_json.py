"""Anything that JSON can say, small: what a stranger may put where something else is expected."""

from hypothesis import strategies as st


def values(*, finite: bool = False) -> st.SearchStrategy[object]:
    """Values of every type, one within another; without `finite` also NaN and infinity, which Python writes as such."""
    numbers = st.integers() | st.floats(allow_nan=not finite, allow_infinity=not finite)
    return st.recursive(
        st.none() | st.booleans() | numbers | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=6,
    )
