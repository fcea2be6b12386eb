"""The reckoning: nobody is lost, nothing is decided twice, and jitter and lame duck mode do what they are for."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from perf.sections.simulate import LAME_DUCK, say_fleet
from perf.simulate import Fleet, describe, find_share_leaving, main, parse, reckon, run

CALM = Fleet(
    clients=1000, ttl=60, jitter=0.0, capacity=1e6, spread=10, servers=4, restarts_at=-1, restart_every=10, leaving=1
)
SECONDS = 150


@given(
    st.integers(1, 10_000),
    st.integers(1, 90),
    st.floats(0, 0.9),
    st.floats(1, 5000),
    st.integers(-1, 60),
    st.integers(1, 20),
)
def test_nobody_is_lost(clients: int, ttl: int, jitter: float, capacity: float, restarts_at: int, leaving: int) -> None:
    """Whoever is not in is on the way; no more are in than there are, and no more get in than are decided."""
    fleet = replace(
        CALM, clients=clients, ttl=ttl, jitter=jitter, capacity=capacity, restarts_at=restarts_at, leaving=leaving
    )
    course = run(fleet, SECONDS)
    assert all(-1e-6 <= inside <= clients + 1e-6 for inside in course.connected)
    assert all(admitted <= capacity + 1e-6 for admitted in course.admitted)
    assert SECONDS == len(course.asking) == len(course.refused)


def test_with_room_for_all_everybody_stays_in() -> None:
    """A login that ends is followed by another at once."""
    course = run(CALM, SECONDS)
    assert pytest.approx([1000.0] * (SECONDS - 10)) == course.connected[10:]
    assert 0 == sum(course.refused)


def test_without_jitter_the_beginning_comes_back() -> None:
    """Each TTL as steep as it was."""
    course = run(CALM, SECONDS)
    assert pytest.approx(100.0) == max(course.asking[20:])
    assert pytest.approx(0.0) == course.asking[30]


def test_jitter_flattens_what_comes_back() -> None:
    """Fewer in the worst second, and as many in all."""
    course = run(replace(CALM, jitter=0.5), SECONDS)
    assert max(course.asking[20:]) < 50.0


def test_a_restart_brings_a_servers_clients_at_once() -> None:
    """All of them in a second, or evenly in lame duck mode."""
    at_once, slowly = (run(replace(CALM, ttl=1000, restarts_at=50, leaving=leaving), 60) for leaving in (1, 5))
    assert pytest.approx(250.0) == at_once.asking[50]
    assert pytest.approx(50.0) == slowly.asking[50]


def test_every_server_is_restarted_once() -> None:
    """The shares that leave come to the whole."""
    for leaving in (1, 5, 25):
        fleet = replace(CALM, restarts_at=50, leaving=leaving)
        assert pytest.approx(1.0) == sum(find_share_leaving(fleet, second) for second in range(SECONDS))


def test_who_is_refused_comes_back_until_all_are_in() -> None:
    """More than can be decided: it takes as long as it takes."""
    course = run(replace(CALM, capacity=20.0, ttl=10_000), SECONDS)
    assert sum(course.refused) > 0
    assert pytest.approx(1000.0) == course.connected[-1]
    assert pytest.approx(1000.0) == sum(course.admitted)


def test_the_command_prints_a_report_for_machines(capfd: pytest.CaptureFixture[str]) -> None:
    """Three courses, second by second."""
    assert 0 == main(["--json", "--clients=100", "--seconds=30", "--spread=5"])
    report = json.loads(capfd.readouterr().out)
    assert ["without jitter", "with jitter", "with jitter and lame duck mode"] == list(report["courses"])
    assert {30} == {len(course["asking"]) for course in report["courses"].values()}


def test_there_is_no_progress_to_be_quiet_about(capfd: pytest.CaptureFixture[str]) -> None:
    """It takes a second: what would be said is not, and an argument that changes nothing is none."""
    with pytest.raises(SystemExit):
        parse(["--quiet"])
    assert "unrecognized arguments: --quiet" in capfd.readouterr().err
    assert 0 == main(["--clients=100", "--seconds=30", "--spread=5"])
    assert "" == capfd.readouterr().err


def test_peaks_are_told_apart() -> None:
    """Of the beginning, of what follows until the restarts, and of all that follows."""
    fleet = replace(CALM, ttl=1000, restarts_at=50)
    found = describe(run(fleet, SECONDS), fleet)
    assert (100, 0) == (found["peak_beginning"], found["peak_before_restarts"])
    assert found["peak_asking"] >= 250


@pytest.mark.parametrize(
    ("restarts_at", "seconds", "expected"), [(-1, 60, 100), (20, 60, None), (5, 60, None), (21, 60, 0), (99, 60, 100)]
)
def test_before_restarts_there_is_a_peak_where_there_is_time(
    restarts_at: int, seconds: int, expected: int | None
) -> None:
    """None within the beginning; without restarts, or with restarts later than that, all of it is before them."""
    fleet = replace(CALM, ttl=30, restarts_at=restarts_at)
    assert expected == describe(run(fleet, seconds), fleet)["peak_before_restarts"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--restarts-at=-1"], "none of the 4 nats-servers restarted in 300 s"),
        (["--restarts-at=300"], "none of the 4 nats-servers restarted in 300 s"),
        (["--restarts-at=90"], "4 nats-servers restarted one by one from second 90 (minute 1.5) on, every 150 s"),
    ],
)
def test_the_first_line_says_whether_servers_are_restarted(arguments: list[str], expected: str) -> None:
    """No second that does not come is named."""
    report = reckon(parse(["--clients=100", "--seconds=300", "--servers=4", *arguments]))
    assert say_fleet(report)[0].endswith(f" decided, {expected}.")


def test_the_command_prints_a_table(capfd: pytest.CaptureFixture[str]) -> None:
    """A line for each course, below what was reckoned with; the beginning has a column."""
    assert 0 == main(["--clients=100", "--seconds=30", "--spread=5", "--ttl=3600"])
    *_, head, _, _, course = capfd.readouterr().out.splitlines()
    assert "peak logins/s: in the beginning" in head
    assert ["20", "0", "0", "0", "0", "100"] == course.removeprefix(LAME_DUCK).split()
