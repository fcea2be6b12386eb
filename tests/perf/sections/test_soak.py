"""The section of `perf.soak`: a paragraph, and what grew if it was long enough to tell."""

from perf.sections.soak import describe
from tests.perf.sections.samples import LATENCY, SLOPES, SOAK_ROW, read_table

FIRST = {**SOAK_ROW, "workers_mib": 30.0, "supervisor_mib": 60.0}
LAST = {**FIRST, "hours": 2.01, "restarts": 5, "workers_mib": 31.5, "latency_ms": {**LATENCY, "p50": 1.75}}
GREW = {"workers_mib_per_hour": 0.75, "supervisor_mib_per_hour": 0.0, "p50_ms_per_hour": 0.125}


def test_what_went_wrong_is_summed_up() -> None:
    """Of all intervals; restarts are counted from the beginning."""
    text, *_ = describe({"rate": 1000, "rows": [FIRST, {**LAST, "hours": 0.02}], "slopes": SLOPES}).lines
    assert text.startswith(
        "1.2 minutes at 1,000 requests/s: 1,000 answered, 6 lost or refused, 6 reconnects, 10 warnings, 5 workers"
    )
    assert "python -m perf.soak --hours 8" in text


def test_the_pause_between_intervals_is_told() -> None:
    """The load is no steady one there; before the first interval there is none."""
    first = {**FIRST, "pause_s": None}
    text, *_ = describe({"rate": 1000, "rows": [first, {**LAST, "hours": 0.02}], "slopes": SLOPES}).lines
    assert "Between two intervals nothing was sent for 0.25 s in the median" in text
    (text,) = describe({"rate": 1000, "rows": [first], "slopes": SLOPES}).lines
    assert "Between" not in text


def test_growth_and_drift_stand_in_a_table() -> None:
    """By the hour, with both ends; what hours do is told then, and no longer promised."""
    lines = describe({"rate": 1000, "rows": [FIRST, LAST], "slopes": GREW}).lines
    rows = {row["growth by the hour"]: row["is"] for row in read_table(lines, "growth by the hour")}
    assert {
        "memory of the workers, MiB": "0.75",
        "memory of the supervisor, MiB": "0",
        "median latency, ms": "0.125",
        "MiB of the workers, first and last": "30.0, 31.5",
        "MiB of the supervisor, first and last": "60.0, 60.0",
        "median latency, first and last interval, ms": "1.5, 1.75",
    } == rows
    assert "--hours 8" not in lines[0]


def test_growth_is_left_out_where_minutes_would_tell_it() -> None:
    """Both ends stand there all the same, and a line says why."""
    lines = describe({"rate": 1000, "rows": [{**FIRST, "hours": 0}, {**LAST, "hours": 0.25}], "slopes": GREW}).lines
    assert "Of growth by the hour 15 minutes tell nothing but noise; it is told from 30 minutes on." in lines
    rows = {row["at both ends"]: row["is"] for row in read_table(lines, "at both ends")}
    assert {
        "MiB of the workers, first and last": "30.0, 31.5",
        "MiB of the supervisor, first and last": "60.0, 60.0",
        "median latency, first and last interval, ms": "1.5, 1.75",
    } == rows


def test_of_what_is_deployed_latency_alone_is_told() -> None:
    """Neither memory nor log is known of it."""
    unknown = {"reconnects", "restarts", "warnings"}
    rows = [
        {key: value for key, value in SOAK_ROW.items() if key not in unknown} | {"hours": hours} for hours in (0, 2)
    ]
    lines = describe({"rate": 1000, "rows": rows, "slopes": {**SLOPES, "p50_ms_per_hour": 0.5}}).lines
    assert ["median latency, ms", "median latency, first and last interval, ms"] == [
        row["growth by the hour"] for row in read_table(lines, "growth by the hour")
    ]
    assert "reconnects" not in lines[0]
