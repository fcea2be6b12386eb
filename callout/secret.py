"""Keeping secrets out of everything that is printed.

Rules kept here:
- A secret setting travels as a `Secret`, which prints as `***`; its text is had by asking for it by name.
- People put secrets where they do not belong: a seed instead of the path of its file, a password in an address.
  So no value of any setting is quoted in a message before `looks_secret` has looked at it.
"""

import re

HIDDEN = "***"
MAX_QUOTED_LENGTH = 80  # characters: enough to recognise a value by, and a line stays a line

# A seed of any kind of NATS key (58 characters of base32), a JWT, a private key in PEM, a password in a URL.
_SECRET = re.compile(
    r"(?<![A-Za-z0-9])S[A-Z2-7]{57}(?![A-Za-z0-9])|eyJ[\w-]+\.[\w-]+|-----BEGIN |://[^/\s]*@",
    re.ASCII,
)


class Secret:
    """A text that must not be seen: `str` and `repr` give `***`, `reveal` gives the text.

    It is no subclass of `str`, so joining, formatting or encoding it by accident shows nothing or fails.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text; for the one place that needs it."""
        return self._text

    def __repr__(self) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


def looks_secret(text: str) -> bool:
    """Tell whether a seed, a JWT, a private key or a URL with a password stands somewhere in `text`."""
    return _SECRET.search(text) is not None


def quote(text: str) -> str:
    """Quote a value for a message: on one line, shortened, and not at all if it looks like a secret."""
    if looks_secret(text):
        return "the value (hidden: it looks like a secret)"
    return repr(text if len(text) <= MAX_QUOTED_LENGTH else text[:MAX_QUOTED_LENGTH] + "…")
