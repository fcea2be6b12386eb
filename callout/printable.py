"""Text from outside, made fit for one line of a log or a terminal."""


def make_printable(text: str, longest: int | None = None) -> str:
    """Write what cannot be printed or encoded as an escape: line ends, control characters, broken Unicode.

    Args:
        text: anything.
        longest: how many of its characters are kept; None for all.
    """
    if longest is not None and len(text) > longest:
        text = text[:longest] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
