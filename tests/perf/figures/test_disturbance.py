"""What others took: every measurement of a report is looked at, and those that they have disturbed are counted."""

import pytest

from perf.figures.disturbance import Disturbance, find_disturbance, say_attempts, say_disturbed


def test_measurements_are_found_wherever_they_stand() -> None:
    """In rows, in parts of rows, in parts of parts; one that does not know who others are is none."""
    row = {"others_share": 0.3, "attempts": 2, "half": {"others_share": 0.1, "attempts": 1}, "serviceaccounts": 10}
    report = {
        "machine": {"others_share": None},
        "rows": [row],
        "straight": {"steps": [{"others_share": 0.0, "attempts": 5}]},
    }
    assert Disturbance([0.3, 0.1, 0.0], 8) == find_disturbance(report)


def test_attempts_that_are_not_all_known_are_not_counted() -> None:
    """A sum of some of them would be too small."""
    found = find_disturbance({"rows": [{"others_share": 0.3, "attempts": 2}, {"others_share": 0.1}]})
    assert Disturbance([0.3, 0.1], None) == found


@pytest.mark.parametrize(
    ("shares", "attempts", "expected"),
    [
        ([0.05, 0.1], {"attempts": 2}, "measurements: 2, attempts: 4; none disturbed"),
        (
            [0.2, 0.26],
            {"attempts": 3},
            "measurements: 2, attempts: 6; disturbed: 2, others took up to 26.0% of the CPU",
        ),
        ([0.05], {}, "measurements: 1; none disturbed"),
        ([], {}, None),
    ],
)
def test_attempts_are_told_with_what_came_of_them(
    shares: list[float], attempts: dict[str, int], expected: str | None
) -> None:
    """A tenth of the CPU, which is worth no other attempt, is no disturbance; of no measurement nothing is told."""
    assert expected == say_attempts({"rows": [{"others_share": share, **attempts} for share in shares]})


def test_what_was_disturbed_is_named() -> None:
    """With how many of its measurements, and how much at most; nothing is said where nothing was."""
    quiet, busy = {"others_share": 0.1}, {"others_share": 0.5}
    said = say_disturbed({"ladder": {}, "load": {"points": [quiet]}, "storm": {"rows": [busy, quiet]}})
    assert said is not None
    assert said.endswith(": storm (1 of 2 measurements, up to 50.0%)")
    assert None is say_disturbed({"load": {"points": [quiet]}})
