"""What numbers of ServiceAccounts are compared by: one rate for all of them, and memory at its most.

That it measures, tests/perf/test_runs.py shows, and on a real API server tests/e2e/test_perf_scale.py.
"""

from pathlib import Path
from typing import Any

import pytest

from callout.demo.config import draw_key
from perf.scale import find_goals, find_half, parse
from perf.sections.scale import describe
from tests.perf.sections.samples import LATENCY, make_point, make_scale
from workers.nkeys import Kind


def make_row(number: int, **more: Any) -> dict[str, Any]:
    """A row with other figures than the sample's."""
    return {**make_scale(number), **more}


def test_all_numbers_are_offered_one_rate() -> None:
    """Half of what is decided with the fewest, which come first; what the others do at full load changes nothing."""
    rows = [make_row(1000, at_rest=make_point("at rest", rate=6000.0))]
    assert 3000.0 == find_half(rows)
    assert 3000.0 == find_half([*rows, make_row(10_000, at_rest=make_point("at rest", rate=100.0))])


def test_a_million_is_judged_by_both_percentiles() -> None:
    """At rest, in terms of 100,000 at the same rate."""
    slow = make_point("half load", latency_ms={**LATENCY, "p50": 1.8, "p99": 7.5})
    goals = find_goals({"rows": [make_row(100_000), make_row(1_000_000, at_rest_half_load=slow)]})
    assert (1.2, 3.0) == tuple(goals[f"1,000,000: {share} at one rate ÷ that of 100,000"] for share in ("p50", "p99"))


@pytest.mark.parametrize(("before", "after", "expected"), [(30.0, 40.0, 40.0), (41.0, 40.0, 41.0)])
def test_memory_is_the_larger_of_both_weighings(before: float, after: float, expected: float) -> None:
    """Before the first request and after the last; growth too."""
    heavy = {"worker_mib": before, "worker_mib_after": after, "supervisor_mib": before, "supervisor_mib_after": after}
    light = {"worker_mib": 20.0, "worker_mib_after": 10.0}
    goals = find_goals({"rows": [make_row(1000, **light), make_row(100_000, **heavy)]})
    assert (expected, expected) == (goals["100,000: worker, MiB"], goals["100,000: supervisor, MiB"])
    assert expected - 20.0 == goals["growth of the worker with ServiceAccounts, MiB"]


def test_growth_is_not_rounded() -> None:
    """A little more than a MiB is more than a MiB."""
    rows = [make_row(number, worker_mib_after=mib) for number, mib in ((1000, 31.0), (100_000, 32.03125))]
    assert 1.03125 == find_goals({"rows": rows})["growth of the worker with ServiceAccounts, MiB"]


@pytest.mark.parametrize("name", ["worker_mib", "worker_mib_after"])
def test_memory_that_is_not_known_reaches_no_goal(name: str) -> None:
    """Of a worker that had ended when it was weighed: a dash, since 0 MiB would be the best there is."""
    report = {"rows": [make_row(1000), make_row(100_000, **{name: None})]}
    goals = find_goals(report)
    assert goals["100,000: worker, MiB"] is goals["growth of the worker with ServiceAccounts, MiB"] is None
    assert 61.0 == goals["100,000: supervisor, MiB"]
    assert describe({"churn": 1, **report}).lines


def test_workers_are_none_of_a_deployed_set_up(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """As for the other scripts: how many there are is not for this one to say."""
    (tmp_path / "config").touch()
    (tmp_path / "login").write_text("me:secret\n")
    place = ["--nats-url=nats://a", "--namespace=a", f"--kubeconfig={tmp_path / 'config'}"]
    words = [*place, f"--creds={tmp_path / 'login'}", f"--callout-account={draw_key(Kind.ACCOUNT).public}"]
    with pytest.raises(SystemExit):
        parse([*words, "--workers=1"])
    assert "--workers is for a set-up that is started here" in capfd.readouterr().err.splitlines()[-1]
    assert 2 == parse(words)[0].workers == parse([])[0].workers
