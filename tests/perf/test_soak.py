"""What hours come to, and what is said of them: while they last, at the end, and when somebody stops them."""

import asyncio
import json
import signal
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from callout.errors import CommandError
from perf.bench import Bench
from perf.cases import REMEMBERED
from perf.commandline.command import Progress
from perf.figures.findings import BEGAN
from perf.figures.processes import WORKERS
from perf.generator.answers import Answers
from perf.here.local import Population, run_local
from perf.sections.soak import ROWS
from perf.soak import find_pause, find_slopes, measure_target, parse, render, say_progress
from tests.perf.interrupting import interrupt_soak
from tests.perf.sections.samples import SLOPES

NOBODY = 2**22 + 1  # more than Linux gives to any process


def make_row(hours: float, p50: float | None = 1.5, **more: Any) -> dict[str, Any]:
    """An interval of a soak of what is deployed; of what is started here there is more."""
    latency = {"p50": p50, "p99": None if p50 is None else 2.5}
    counts = {"answered": 1500, "not_let_in": 0, "unanswered": 0}
    return {"hours": hours, **counts, "latency_ms": latency, "latency_from_due_ms": latency, "pause_s": 0.5, **more}


def render_rows(*rows: dict[str, Any]) -> list[str]:
    """The report of a soak, as a terminal shows it."""
    return render({"rate": 1, "rows": list(rows), "slopes": find_slopes(rows)})


@pytest.mark.parametrize(
    ("row", "hours", "line"),
    [
        (make_row(0.0042), 0.0167, "0.25 of 1.002 minutes, 1,500 answered, p99 2.5 ms"),
        (make_row(1.5), 8, "1.50 of 8 hours, 1,500 answered, p99 2.5 ms"),
        (make_row(0.25, p50=None), 0.5, "15.00 of 30 minutes, 1,500 answered, p99 - ms"),
        (make_row(0.0033), 0.003, "0.20 minutes, 1,500 answered, p99 2.5 ms"),
        (make_row(1.0, workers_mib=61.5), 8, "1.00 of 8 hours, 1,500 answered, p99 2.5 ms, workers 61.5 MiB"),
        (make_row(1.0, workers_mib=None), 8, "1.00 of 8 hours, 1,500 answered, p99 2.5 ms, workers - MiB"),
    ],
)
def test_progress_is_in_a_unit_that_tells_something(row: dict[str, Any], hours: float, line: str) -> None:
    """Minutes for what is shorter than an hour; what is not known is a dash, and what is not to be had is left out.

    The last interval goes on to its end: where that is later than what was asked for, this is told no more.
    """
    assert line == say_progress(row, hours)


def test_growth_is_told_in_words() -> None:
    """And over how long it was fitted, if that was less than the hour it is of."""
    long = render_rows(make_row(0.0, workers_mib=30.0), make_row(2.0, p50=2.5, workers_mib=31.0))
    assert any(line.startswith("growth by the hour  ") for line in long)
    assert ["memory", "of", "the", "workers,", "MiB", "0.5"] in [line.split() for line in long]
    assert ["median", "latency,", "ms", "0.5"] in [line.split() for line in long]
    assert not any("_" in line for line in long)
    short = render_rows(make_row(0.0), make_row(0.75))
    assert any(line.startswith("growth by the hour, from 45 minutes alone  ") for line in short)
    assert any(line.startswith("memory of the supervisor, MiB") and line.endswith("-") for line in short)


def test_of_growth_minutes_tell_nothing() -> None:
    """What they come to by the hour is noise, many times over: it is neither shown nor in the JSON."""
    rows = [make_row(0.0, workers_mib=30.0), make_row(0.25, workers_mib=30.5)]
    assert SLOPES.keys() == find_slopes(rows).keys()
    assert {None} == set(find_slopes(rows).values())
    said = "Of growth by the hour 15 minutes tell nothing but noise; it is told from 30 minutes on."
    assert said == render_rows(*rows)[-1]


def test_memory_that_is_not_known_grows_by_nothing() -> None:
    """An interval in which a worker had ended takes no part in the slope, and is a dash in the table."""
    rows = [make_row(hours, workers_mib=mib) for hours, mib in ((0.0, 30.0), (1.0, None), (2.0, 31.0))]
    assert 0.5 == find_slopes(rows)["workers_mib_per_hour"]
    assert render_rows(*rows)
    assert None is find_slopes(rows[1:])["workers_mib_per_hour"]


def test_what_went_wrong_has_columns() -> None:
    """What was logged as a warning among it, as the help says."""
    heads = [column.head for column in ROWS]
    assert ["not let in", "not answered"] == heads[2:4]
    assert {"warnings", "reconnects", "restarts", "paused before s"} <= set(heads)


def test_a_pause_is_all_that_nothing_was_sent_in() -> None:
    """From the last request before until the first of these, whatever was done meanwhile; before the first is none."""
    answers = Answers([0.1, 0.1], [], 0, wall=1.5, sent=[0.25, 1.0], began=10.0)
    assert (None, 2.25) == (find_pause(None, answers), find_pause(8.0, answers))


def test_a_worker_that_ends_does_not_end_a_soak() -> None:
    """Its CPU, which anybody else wants to know, is none of what a soak tells: that it was started anew is."""

    async def scenario() -> None:
        async with run_local(Population(), workers=1, serviceaccounts=1, tokens=1) as local:
            broken = msgspec.structs.replace(local.target, find_processes=lambda: {WORKERS: [NOBODY]})
            bench = await Bench.open(broken, {})
            with pytest.raises(CommandError, match="a process of workers has ended while it was"):
                await bench.run_at(REMEMBERED, 10, 0.2)
            await bench.close()
            options, _ = parse(["--hours=0", "--rate=500", "--interval=0.2"])
            (row,) = (await measure_target(broken, options, Progress(silent=True)))["rows"]
        assert 100 == row["answered"]
        assert 0 < row["generator_share"] < 1

    asyncio.run(scenario())


def test_a_signal_brings_the_end_forward() -> None:
    """The table, and the exit code that says which it was; the set-up that it started is gone."""
    _, printed, code = interrupt_soak(["--workers=1"], signal.SIGINT)
    head, *rows = printed.splitlines()
    assert 128 + signal.SIGINT == code
    assert head.startswith("hours  answered")
    assert "warnings" in head
    assert rows[0].startswith("0.000")
    assert rows[-1].startswith("Of growth by the hour ")


def test_its_json_is_what_a_report_is_made_from() -> None:
    """When it began, in UTC; each interval, with the pause before it; and what grew, were it long enough to tell."""
    _, printed, _ = interrupt_soak(["--workers=1", "--json"], signal.SIGTERM)
    report = json.loads(printed)
    began_at = datetime.fromisoformat(report[BEGAN])
    assert timedelta(0) == began_at.utcoffset()
    assert began_at <= datetime.now(UTC)
    first, *others = (row["pause_s"] for row in report["rows"])
    assert first is None
    assert all(pause > 0 for pause in others)
    assert set(SLOPES) == set(report["slopes"])
    assert render(report)[-1].startswith("Of growth by the hour ")
