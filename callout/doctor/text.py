"""The findings as lines for a terminal. What they say is decided where they are found."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from callout.doctor.findings import Check, Finding, Severity, count
from callout.printable import make_printable

WIDTH: Final = 100  # columns
_STATES: Final = {Severity.OK: "ok", Severity.NOTICE: "note", Severity.WRONG: "WRONG", Severity.UNKNOWN: "?"}
_STATE_WIDTH: Final = max(map(len, _STATES.values()))
_NAME_WIDTH: Final = max(map(len, Check))
_INDENT: Final = " " * (_STATE_WIDTH + _NAME_WIDTH + 4)


def render(findings: Sequence[Finding]) -> list[str]:
    """Write the findings, each with what to do about it, and the verdict below them."""
    return [*(line for finding in findings for line in _render_one(finding)), "", summarize(findings)]


def summarize(findings: Sequence[Finding]) -> str:
    """Say in one sentence how it stands."""
    counted = count(findings)
    wrong, unknown = counted[Severity.WRONG], counted[Severity.UNKNOWN]
    asides = [f"{unknown} could not be checked"] if unknown else []
    if any(one.check is Check.LOGIN and one.severity is Severity.UNKNOWN for one in findings):
        asides.append("no login was tried")
    if counted[Severity.NOTICE]:
        asides.append(f"{counted[Severity.NOTICE]} worth knowing")
    verdict = f"{wrong} wrong" if wrong else "All well" if not unknown else "Nothing wrong was found"
    return f"{', '.join([verdict, *asides])}."


def _render_one(finding: Finding) -> Iterator[str]:
    head = f"{_STATES[finding.severity]:{_STATE_WIDTH}}  {finding.check:{_NAME_WIDTH}}  "
    yield from _wrap(finding.what, head, _INDENT)
    for detail in finding.details:
        yield from _wrap(detail, f"{_INDENT}  ", f"{_INDENT}    ")
    if finding.severity is Severity.WRONG and finding.why:
        yield from _wrap(finding.why, _INDENT, _INDENT)
    if finding.mend:
        mark = "? " if finding.severity is Severity.UNKNOWN else "> "
        # A command is copied from here, so it is not broken into lines.
        yield _INDENT + mark + make_printable(finding.mend)


def _wrap(text: str, head: str, tail: str) -> list[str]:
    lines = textwrap.wrap(
        make_printable(text),
        WIDTH,
        initial_indent=head,
        subsequent_indent=tail,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines or [head.rstrip()]
