"""The names of our annotations, and what a misspelt one is meant for.

Rules kept here:
- Pure. A name is suggested if it resembles more than the other; else all are named that there are, so that there
  always is a remedy.
- A `;` may stand in a subject, and is granted as one: whoever writes it has mostly meant a comma.
- A name of ours under another prefix may be another system's own. So it is a question for whoever asks about that
  ServiceAccount (`callout explain`), and never a line in the service's log, which would have one for each.
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import Final

from callout.policy.verdict import Side

NAMES: Final[Mapping[Side, str]] = {Side.PUB: "allowed-pub-subjects", Side.SUB: "allowed-sub-subjects"}
"""What follows the prefix, for each side."""
_SLASH: Final = "/"
SEMICOLON: Final = ";"
ABOUT_SEMICOLONS: Final = f"it holds a '{SEMICOLON}': subjects are separated by commas"


def name_annotations(prefix: str) -> tuple[str, ...]:
    """Return the names of the annotations that mean something."""
    return tuple(prefix + name for name in NAMES.values())


def find_namesakes(annotations: Iterable[str], prefix: str) -> tuple[str, ...]:
    """Find the annotations that are called as ours, under another prefix."""
    return tuple(
        one for one in annotations if not one.startswith(prefix) and one.rpartition(_SLASH)[2] in NAMES.values()
    )


def looks_like_several(entry: str) -> bool:
    """Tell whether an entry holds what others separate subjects by: a semicolon, or blanks."""
    return SEMICOLON in entry or any(map(str.isspace, entry))


def suggest(annotation: str, prefix: str) -> str:
    """Say what to write in the place of an annotation that means nothing."""
    if annotation.startswith(f"{prefix}{_SLASH}") and _SLASH not in prefix:
        return f"SA_ANNOTATION_PREFIX has no slash: was {prefix}{_SLASH} meant there?"
    known = name_annotations(prefix)
    _, _, name = annotation.removeprefix(prefix).rpartition(_SLASH)
    close = difflib.get_close_matches(name.lower(), NAMES.values())
    likeness = {difflib.SequenceMatcher(None, one, name.lower()).ratio() for one in close}
    is_plain = close and len(likeness) == len(close)  # otherwise none is near, or both are as near
    return f"was {prefix}{close[0]} meant?" if is_plain else f"there are {' and '.join(known)}"
