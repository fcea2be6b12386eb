"""What others took of the machine meanwhile, and how often it was tried: for the terminal and the report. Pure.

Rules kept here:
- A measurement is whatever knows what share of the CPU others took (`others_share`), wherever it stands in a report.
- What was disturbed is named by its script and counted; what leaves the machine alone is worth no warning.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

QUIET_SHARE: Final = 0.1  # of the CPU: so much others may take without a measurement being worth another attempt


class Disturbance(msgspec.Struct, frozen=True):
    """How much others have disturbed a script.

    Attributes:
        shares: of the CPU that others took in each measurement that counts.
        attempts: made for all of them; None if the results do not say it.
    """

    shares: list[float]
    attempts: int | None

    @property
    def disturbed(self) -> list[float]:
        """The shares that are too large."""
        return [share for share in self.shares if share > QUIET_SHARE]


def find_disturbance(report: Mapping[str, Any]) -> Disturbance:
    """Look for all measurements in a script's report."""
    found = list(_list_measurements(report))
    attempts = [one["attempts"] for one in found if "attempts" in one]
    return Disturbance([one["others_share"] for one in found], sum(attempts) if len(attempts) == len(found) else None)


def say_attempts(report: Mapping[str, Any]) -> str | None:
    """Say how many measurements count, after how many attempts, and if they are disturbed; None if there are none."""
    found = find_disturbance(report)
    if not found.shares:
        return None
    said = f"measurements: {len(found.shares)}" + (f", attempts: {found.attempts}" if found.attempts else "")
    if not found.disturbed:
        return f"{said}; none disturbed"
    most = max(found.disturbed)
    return f"{said}; disturbed: {len(found.disturbed)}, others took up to {most:.1%} of the CPU"


def say_disturbed(results: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Say in one sentence which scripts others have disturbed, and how much; None if they have left all alone."""
    found = {name: find_disturbance(report) for name, report in results.items()}
    parts = [
        f"{name} ({len(one.disturbed)} of {len(one.shares)} measurements, up to {max(one.disturbed):.1%})"
        for name, one in found.items()
        if one.disturbed
    ]
    if not parts:
        return None
    return (
        f"others took more than {QUIET_SHARE:.0%} of the CPU, which rates and latencies suffer from: {', '.join(parts)}"
    )


def _list_measurements(report: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(report, Mapping):
        if report.get("others_share") is not None:
            yield report
        parts = list(report.values())
    else:
        parts = report if isinstance(report, list) else []
    for part in parts:
        yield from _list_measurements(part)
