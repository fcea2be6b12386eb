"""The names of our annotations, and what a misspelt one is meant for.

Rules kept here:
- Pure. A name is suggested if it resembles; else all are named that there are, so that there always is a remedy.
- A `;` may stand in a subject, and is granted as one: whoever writes it has mostly meant a comma.
"""

import difflib
from collections.abc import Mapping
from typing import Final

from callout.policy.verdict import Side

NAMES: Final[Mapping[Side, str]] = {Side.PUB: "allowed-pub-subjects", Side.SUB: "allowed-sub-subjects"}
"""What follows the prefix, for each side."""
SEMICOLON: Final = ";"
ABOUT_SEMICOLONS: Final = f"it holds a '{SEMICOLON}': subjects are separated by commas"


def name_annotations(prefix: str) -> tuple[str, ...]:
    """Return the names of the annotations that mean something."""
    return tuple(prefix + name for name in NAMES.values())


def suggest(annotation: str, prefix: str) -> str:
    """Say what to write in the place of an annotation that means nothing."""
    known = name_annotations(prefix)
    close = difflib.get_close_matches(annotation.removeprefix(prefix).lower(), NAMES.values(), n=1)
    return f"was {prefix}{close[0]} meant?" if close else f"there are {' and '.join(known)}"
