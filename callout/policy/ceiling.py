"""The ceiling: what annotations may ask for at most, as the cluster's administrator has written it down.

Whoever may edit a ServiceAccount may write its annotations (Kubernetes' own ClusterRole `edit` allows both), so a
bound that only the administrator can move is what makes them safe. As YAML:

    pub: ["{namespace}.>", "events.{namespace}.>"]
    sub: ["{namespace}.>", "events.>"]

Rules kept here:
- A subject has to lie wholly within one of its side's patterns: `[]` admits nothing, and `[">"]` everything but the
  reserved spaces, which no ceiling can open.
- A document that could be misread is refused: a side that is missing (half a file, saved too early), an unknown key, a
  side without a list, a placeholder that is not `{namespace}`. A bound that silently does not hold is worse than a
  service that does not start.
"""

from typing import Final

import msgspec

from callout.policy.subjects import REST, Patterns, is_valid
from callout.secret import quote

NAMESPACE: Final = "{namespace}"
_SIDES: Final = ("pub", "sub")


class Ceiling(msgspec.Struct, frozen=True):
    """What annotations may ask for: patterns for each side; None where no ceiling was written down, as good as `>`."""

    pub: tuple[str, ...] | None = None
    sub: tuple[str, ...] | None = None


def write_out(patterns: tuple[str, ...] | None, namespace: str) -> Patterns:
    """Write the patterns of a side out for a namespace. They admit what they cover."""
    return Patterns((REST,) if patterns is None else [pattern.replace(NAMESPACE, namespace) for pattern in patterns])


def parse_ceiling(document: object) -> Ceiling:
    """Read a ceiling from a decoded YAML or JSON document.

    Raises:
        ValueError: the document is no ceiling; the message is one line that says what to write.
    """
    if not isinstance(document, dict):
        raise ValueError('a ceiling is a mapping with "pub" and "sub", each a list of subjects')
    unknown = [key for key in document if key not in _SIDES]
    if unknown:
        raise ValueError(f'unknown key {quote(str(unknown[0]))}: a ceiling has "pub" and "sub" only')
    missing = [side for side in _SIDES if side not in document]
    if missing:
        raise ValueError(f'"{missing[0]}" is missing: [] admits nothing, [">"] everything that is not reserved')
    return Ceiling(**{side: _parse_side(side, patterns) for side, patterns in document.items()})


def _parse_side(side: str, patterns: object) -> tuple[str, ...]:
    if not isinstance(patterns, list):
        raise ValueError(f'"{side}" has to be a list of subjects, each in quotes')
    return tuple(_parse_pattern(side, pattern) for pattern in patterns)


def _parse_pattern(side: str, pattern: object) -> str:
    if not isinstance(pattern, str):
        raise ValueError(f'"{side}" holds something that is no text: put each subject in quotes')
    written_out = pattern.replace(NAMESPACE, "x")  # any namespace does: it is a word without dots and wildcards
    if not is_valid(written_out):
        raise ValueError(f'"{side}": {quote(pattern)} is no valid NATS subject')
    if not {"{", "}"}.isdisjoint(written_out):
        raise ValueError(f'"{side}": {quote(pattern)} holds a placeholder that is not {NAMESPACE}')
    return pattern
