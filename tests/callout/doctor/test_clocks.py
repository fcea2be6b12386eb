"""Clocks that differ."""

from email.utils import formatdate

import pytest

from callout.doctor.clocks import Reading, check_clocks, read_date
from callout.doctor.findings import Severity

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("ahead", "is_nats", "severity"),
    [
        (0.0, True, Severity.OK),
        (1.0, False, Severity.OK),
        (-1.4, True, Severity.OK),
        (1.9, True, Severity.NOTICE),
        (3.0, True, Severity.WRONG),
        (-3.0, True, Severity.NOTICE),
        (30.0, False, Severity.NOTICE),
        (-61.0, False, Severity.WRONG),
    ],
)
def test_what_matters_is_whose_clock_it_is(ahead: float, is_nats: bool, severity: Severity) -> None:
    """Requests expire after two seconds of our clock; tokens have a minute of leeway."""
    assert severity == check_clocks([Reading("somebody", ahead, is_nats)]).severity


def test_the_worst_clock_counts() -> None:
    """One that is right hides none that is wrong."""
    finding = check_clocks([Reading("one", 0), Reading("another", 100)])
    assert Severity.WRONG == finding.severity
    assert "another" in finding.what


@pytest.mark.parametrize(
    ("nats", "words"),
    [
        ([], "the API server"),
        (["nats-server"], "the API server and nats-server"),
        (["nats-server N1", "nats-server", "nats-server"], "the API server and nats-server N1"),
        (["nats-server N1", "nats-server N2"], "the API server, nats-server N1 and nats-server N2"),
    ],
)
def test_each_clock_that_agrees_is_named_once(nats: list[str], words: str) -> None:
    """Requests come from a server that others may have named already."""
    readings = [Reading("the API server", 0), *(Reading(whose, 0, is_nats=True) for whose in nats)]
    assert f"our clock agrees with {words}" == check_clocks(readings).what


def test_nobody_told_the_time() -> None:
    """Then nothing is claimed."""
    assert Severity.UNKNOWN == check_clocks([]).severity


def test_a_date_header_is_a_clock() -> None:
    """It is compared with the middle of the time that the answer took."""
    reading = read_date(formatdate(NOW - 10, usegmt=True), "x", NOW, NOW + 1)
    assert reading is not None
    assert reading.ahead == pytest.approx(10.0)


@pytest.mark.parametrize("header", [None, "", "yesterday", "Mon, 99 Foo 2024 00:00:00 GMT"])
def test_what_is_no_date_is_no_clock(header: str | None) -> None:
    """And no error."""
    assert read_date(header, "x", NOW, NOW) is None
