"""All measurements, one after the other: which storms there are, how the results are called, and that they are kept."""

import errno
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from callout.errors import EXIT_FAILED, EXIT_WRONG_USAGE
from perf import __main__ as main_module
from perf import report, storm
from perf.__main__ import STORMS, Kept, keep, main, name_machine
from perf.commandline import shared_memory
from perf.figures.machine import describe_machine
from tests.commands import attempt
from tests.nobody import make_closed, run_as_nobody
from tests.perf.interrupting import interrupt

NOON = datetime(2027, 1, 15, 12, tzinfo=UTC)
"""No midnight comes between two runs that begin then."""


def measure(out: Path, only: str, *more: str, now: datetime = NOON) -> int:
    """Measure some of it, and keep it in a folder."""
    return main([f"--only={only}", f"--out={out}", *more], lambda: now)


def test_storms_have_clients_enough_to_count_ticks() -> None:
    """Every storm is in rounds, with a goal or without; the one whose CPU is compared has several seconds of it."""
    runs = [storm.parse(bounds.split())[0] for bounds in STORMS]
    clear = [options for options in runs if options.protocol == ["nats"] and not (options.tls or options.sealed)]
    nats = {at_once: options for options in clear for at_once in options.at_once}
    assert {100: 10_000, 400: 4000, 4000: 4000} == {at_once: options.clients for at_once, options in nats.items()}
    assert {100: 3, 400: 3, 4000: 3} == {at_once: options.repeat for at_once, options in nats.items()}
    assert {100: [1, 2], 400: [2], 4000: [2]} == {at_once: options.workers for at_once, options in nats.items()}
    others = [options for options in runs if options not in clear]
    assert [
        (["ws", "mqtt"], [100], 2),
        (["nats"], [100], 2),
        (["nats"], [100, 400, 4000], 2),
        (["nats"], [4000], 5),
    ] == [(options.protocol, options.at_once, options.timeout) for options in others]
    assert {(4000, 3)} == {(options.clients, options.repeat) for options in others}


def test_a_file_is_named_after_the_machine() -> None:
    """With nothing in it that a path cannot hold, and no host's name."""
    assert "amd-epyc-9r14-2" == name_machine({"processor": "AMD EPYC (9R14)", "cores": 2})
    assert "unknown-1" == name_machine({"processor": "", "cores": 1})


def test_what_is_tiny_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """In files of its own, which never take the place of real results: in the results, and first in the report."""
    for more, expected in (([], None), (["--tiny"], True)):
        assert 0 == measure(tmp_path, "simulate", *more)
        data, page = (Path(line) for line in capfd.readouterr().out.splitlines())
        assert bool(more) is data.stem.endswith("-tiny") is page.stem.endswith("-tiny")
        assert expected is json.loads(data.read_text()).get("tiny")
        assert bool(more) is page.read_text().startswith("# Measured\n\n**Tiny: these figures say nothing.**\n")
    assert 4 == sum(path.is_file() for path in tmp_path.iterdir())


def test_every_part_says_when_it_began(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One that was measured earlier on the same day keeps its time; those of another day are in a file of their own."""
    found = []
    for name, hours in (("simulate", 0), ("ladder", 1), ("simulate", 12)):
        assert 0 == measure(tmp_path, name, "--tiny", now=NOON + timedelta(hours=hours))
        data, _ = (Path(line) for line in capfd.readouterr().out.splitlines())
        found.append(json.loads(data.read_text()))
    first, both, next_day = found
    assert first["simulate"] == both["simulate"]
    assert ("2027-01-15T12:00:00+00:00", "2027-01-15T13:00:00+00:00") == (
        both["simulate"]["began_at"],
        both["ladder"]["began_at"],
    )
    assert ["2027-01-15", "2027-01-16"] == [both["date"], next_day["date"]]
    assert "ladder" not in next_day


@pytest.mark.parametrize(
    ("out", "expected"),
    [
        ("no/such", "--out {out}: there is no folder {parent}"),
        ("file", "--out {out} cannot be written: not a directory"),
    ],
)
def test_where_nothing_can_be_written_nothing_is_measured(
    out: str, expected: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """One line, before anything has begun; exit code 2."""
    (tmp_path / "file").touch()
    path = tmp_path / out
    assert EXIT_WRONG_USAGE == measure(path, "simulate")
    assert ("", f"error: {expected.format(out=path, parent=path.parent)}\n") == tuple(capfd.readouterr())
    assert ["file"] == [path.name for path in tmp_path.iterdir()]


def test_a_folder_that_this_user_may_not_see_is_one_line(tmp_path: Path) -> None:
    """Before anything has begun, as for one that is not there."""
    out = make_closed(tmp_path) / "results"
    done = run_as_nobody("perf.__main__", "main", f"--out={out}", "--only=simulate")
    assert (EXIT_WRONG_USAGE, "") == (done.returncode, done.stdout)
    assert f"error: --out {out} cannot be written: permission denied\n" == done.stderr


def test_results_of_the_day_that_are_none_stop_it_before_it_begins(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """They are left as they are."""
    assert 0 == measure(tmp_path, "simulate", "--tiny")
    data = Path(capfd.readouterr().out.splitlines()[0])
    data.write_text("{")
    assert EXIT_WRONG_USAGE == measure(tmp_path, "simulate", "--tiny")
    out, err = capfd.readouterr()
    assert ("", 1) == (out, err.count("\n"))
    assert err.startswith(f"error: {data} holds no results, move it away: ")
    assert "{" == data.read_text()


def put_aside(path: Path, part: str, report: object) -> None:
    """Let a part of results be what another version has measured."""
    path.write_text(json.dumps({**json.loads(path.read_text()), part: report}))


def test_results_of_another_version_stop_it_before_it_begins(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """There would be no report of them and of what is measured now; what is measured anew may be of any version."""
    assert 0 == measure(tmp_path, "simulate", "--tiny")
    data = Path(capfd.readouterr().out.splitlines()[0])
    put_aside(data, "ladder", {"stages": {}})
    before = data.read_bytes()
    assert EXIT_WRONG_USAGE == measure(tmp_path, "simulate", "--tiny")
    expected = f"error: {data} holds results of another version, move it away: KeyError('decisions')\n"
    assert ("", expected) == tuple(capfd.readouterr())
    assert before == data.read_bytes()
    assert 0 == measure(tmp_path, "ladder", "--tiny")


@pytest.mark.usefixtures("no_shared_memory")
def test_a_part_that_fails_takes_no_other_with_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It is said when it happens and at the end, and the exit code tells; the report is of what is there."""
    assert EXIT_FAILED == measure(tmp_path, "ladder,simulate", "--tiny")
    out, err = capfd.readouterr()
    data, page = (Path(line) for line in out.splitlines())
    reason = f"no folder can be made in /proc: {os.strerror(errno.ENOENT).lower()}"
    assert f"] ladder cannot be measured: {reason}\n" in err
    assert f"error: ladder: {reason}" == err.splitlines()[-1]
    assert {"date", "machine", "tiny", "simulate"} == set(json.loads(data.read_text()))
    assert "### A million clients" in page.read_text()


@pytest.mark.usefixtures("no_shared_memory")
def test_results_of_another_version_that_stay_are_left_out(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Where the part that was to take their place has failed: the report is of the others, and a line names it."""
    assert 0 == measure(tmp_path, "simulate", "--tiny")
    data, page = (Path(line) for line in capfd.readouterr().out.splitlines())
    put_aside(data, "ladder", {"stages": {}})
    page.unlink()
    assert EXIT_FAILED == measure(tmp_path, "ladder,simulate", "--tiny", now=NOON + timedelta(hours=1))
    out, err = capfd.readouterr()
    assert f"{data}\n{page}\n" == out
    expected = f"the report is without ladder, of which {data} holds results of another version: KeyError('decisions')"
    assert f"warning: {expected}" in err.splitlines()
    found = json.loads(data.read_text())
    assert ({"stages": {}}, "2027-01-15T13:00:00+00:00") == (found["ladder"], found["simulate"]["began_at"])
    assert "\nBegun at (UTC): simulate 13:00.\n" in page.read_text()


def test_what_was_measured_now_and_cannot_be_told_is_a_mistake_of_ours(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is no other version's: nobody is told to move it away. It is kept, and its file named."""
    kept = Kept(tmp_path / "a.json", {"date": "2027-01-15", "machine": describe_machine()})
    kept.add("ladder", {"stages": {}})
    with pytest.raises(report.OtherVersionError):
        kept.tell()
    assert f"{tmp_path / 'a.json'}\n" == capfd.readouterr().out
    assert {"stages": {}} == json.loads((tmp_path / "a.json").read_text())["ladder"]


def test_whoever_reads_where_it_is_may_be_gone(unread: int, tmp_path: Path) -> None:
    """A terminal that is closed, say: the report is written before anything is said of it."""
    words = [sys.executable, "-m", "perf", "--tiny", "--only=simulate", f"--out={tmp_path}"]
    done = attempt(words, stdout=unread, stderr=unread)
    assert EXIT_FAILED == done.returncode
    (page,) = tmp_path.glob("*.md")
    assert "### A million clients" in page.read_text()


def test_a_storm_that_fails_takes_no_other_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The rows of the others are kept and told, and the exit code says that some are missing.

    No real storm fails in the middle of the others for sure: for the second there is no room (see `no_shared_memory`).
    """
    bounds = "--clients=10 --at-once=5 --workers=1 --retry=no"

    def list_storms() -> Iterator[str]:
        yield bounds
        with monkeypatch.context() as closed:
            closed.setattr(shared_memory, "SHARED_MEMORY", Path("/proc"))
            yield bounds
        yield f"{bounds} --protocol=ws"

    monkeypatch.setattr(main_module, "STORMS", list_storms())
    assert EXIT_FAILED == measure(tmp_path, "storm")
    out, err = capfd.readouterr()
    data, page = (Path(line) for line in out.splitlines())
    assert f"error: storm: no folder can be made in /proc: {os.strerror(errno.ENOENT).lower()}" == err.splitlines()[-1]
    assert ["nats", "ws"] == [row["protocol"] for row in json.loads(data.read_text())["storm"]["rows"]]
    assert "| ws | 1 | 10 | 5 | 2 | no |" in page.read_text()


def test_what_was_measured_before_a_signal_has_its_report(tmp_path: Path) -> None:
    """The parts that are whole; the one that was under way is not among them."""
    words = ["perf", "--tiny", "--only=simulate,soak", f"--out={tmp_path}"]
    _, printed, code = interrupt(words, lambda said: any("simulate: done" in line for line in said), signal.SIGINT)
    assert 128 + signal.SIGINT == code
    data, page = (Path(line) for line in printed.splitlines())
    assert {"date", "machine", "tiny", "simulate"} == set(json.loads(data.read_text()))
    assert "### A million clients" in page.read_text()


def test_a_folder_is_made(tmp_path: Path) -> None:
    """Where its parent is there."""
    assert 0 == measure(tmp_path / "results", "simulate", "--tiny")
    assert 3 == len(list((tmp_path / "results").iterdir()))


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ("everything", "measurements (ladder, load, storm, overload, scale, soak, simulate) are wanted, separated by"),
        ("simulate,simulate", "are wanted, none of them twice"),
        ("simulate,", "are wanted, separated by commas"),
    ],
)
def test_what_is_to_be_measured_is_named_once(
    names: str, complaint: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is named twice would be measured twice, and told once."""
    with pytest.raises(SystemExit):
        measure(tmp_path, names, "--tiny")
    assert complaint in capfd.readouterr().err.splitlines()[-1]


def test_results_are_put_in_place_whole(tmp_path: Path) -> None:
    """Whoever reads them meanwhile sees the former ones or the new ones; nothing else is left in the folder."""
    path = tmp_path / "results.json"
    keep(path, {"load": 1, "storm": 1})
    with path.open() as former:
        assert {"load": 2, "storm": 1} == keep(path, {"load": 2})
        assert {"load": 1, "storm": 1} == json.load(former)
    assert {"load": 2, "storm": 1} == json.loads(path.read_text())
    assert [path] == list(tmp_path.iterdir())


def test_a_disk_that_is_full_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One line, also when it is found out after hours, and a file that holds them; /dev/full is what it is like."""
    assert 0 == measure(tmp_path, "simulate", "--tiny")
    data = Path(capfd.readouterr().out.splitlines()[0])
    before = data.read_bytes()
    (tmp_path / f".{data.name}.draft").symlink_to("/dev/full")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))  # as documented: a process looks at TMPDIR only once
    assert EXIT_FAILED == measure(tmp_path, "simulate", "--tiny", now=NOON + timedelta(hours=1))
    out, err = capfd.readouterr()
    (saved,) = elsewhere.iterdir()
    reason = os.strerror(errno.ENOSPC).lower()
    assert f"error: {data} cannot be written: {reason}; simulate is in {saved}" == err.splitlines()[-1]
    assert ("", before) == (out, data.read_bytes())
    assert "2027-01-15T13:00:00+00:00" == json.loads(saved.read_text())["simulate"]["began_at"]
    assert 0 == report.main([str(saved)])


def test_a_report_that_cannot_be_written_is_a_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What was measured is kept, and its file named."""
    assert 0 == measure(tmp_path, "simulate", "--tiny")
    data, page = (Path(line) for line in capfd.readouterr().out.splitlines())
    page.unlink()
    page.mkdir()
    data.unlink()
    assert EXIT_FAILED == measure(tmp_path, "simulate", "--tiny")
    out, err = capfd.readouterr()
    assert (f"{data}\n", f"error: {page} cannot be written: is a directory") == (out, err.splitlines()[-1])
    assert "simulate" in json.loads(data.read_text())
