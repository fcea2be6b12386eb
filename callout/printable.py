"""Text from outside, made fit for one line of a log or a terminal."""


def make_printable(text: str) -> str:
    """Write what cannot be printed or encoded as an escape: line ends, control characters, broken Unicode."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
