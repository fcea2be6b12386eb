"""All measurements, one after the other: which storms there are, how the results are called, and that they are kept."""

import json
from pathlib import Path

import pytest

from callout.errors import EXIT_WRONG_USAGE
from perf import storm
from perf.__main__ import STORMS, main, name_machine


def test_storms_have_clients_enough_to_count_ticks() -> None:
    """Every storm that has a goal is in it; the one whose CPU is compared has several seconds of it."""
    runs = [storm.parse(bounds.split())[0] for bounds in STORMS]
    nats = {at_once: options for options in runs if options.protocol == ["nats"] for at_once in options.at_once}
    assert {100: 10_000, 400: 2000, 4000: 2000} == {at_once: options.clients for at_once, options in nats.items()}
    assert {100: [1, 2], 400: [2], 4000: [2]} == {at_once: options.workers for at_once, options in nats.items()}
    assert {"nats", "ws", "mqtt"} == {protocol for options in runs for protocol in options.protocol}


def test_a_file_is_named_after_the_machine() -> None:
    """With nothing in it that a path cannot hold, and no host's name."""
    assert "amd-epyc-9r14-2" == name_machine({"processor": "AMD EPYC (9R14)", "cores": 2})
    assert "unknown-1" == name_machine({"processor": "", "cores": 1})


def test_what_is_tiny_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """In files of its own, which never take the place of real results: in the results, and first in the report."""
    for more, expected in (([], None), (["--tiny"], True)):
        assert 0 == main(["--only=simulate", f"--out={tmp_path}", *more])
        data, page = (Path(line) for line in capfd.readouterr().out.splitlines())
        assert bool(more) is data.stem.endswith("-tiny") is page.stem.endswith("-tiny")
        assert expected is json.loads(data.read_text()).get("tiny")
        assert bool(more) is page.read_text().startswith("# Measured\n\n**Tiny: these figures say nothing.**\n")
    assert 4 == sum(path.is_file() for path in tmp_path.iterdir())


def test_every_part_says_when_it_began(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One that was measured earlier on the same day keeps its time."""
    began = []
    for name in ("simulate", "ladder"):
        assert 0 == main([f"--only={name}", "--tiny", f"--out={tmp_path}"])
        data, _ = (Path(line) for line in capfd.readouterr().out.splitlines())
        results = json.loads(data.read_text())
        began.append(results["simulate"]["began_at"])
        assert results[name]["began_at"].endswith("+00:00")
    assert began[0] == began[1] <= results["ladder"]["began_at"]


@pytest.mark.parametrize(
    ("out", "expected"),
    [
        ("no/such", "--out {out}: there is no folder {parent}"),
        ("file", "--out {out} cannot be written: Not a directory"),
    ],
)
def test_where_nothing_can_be_written_nothing_is_measured(
    out: str, expected: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """One line, before anything has begun; exit code 2."""
    (tmp_path / "file").touch()
    path = tmp_path / out
    assert EXIT_WRONG_USAGE == main(["--only=simulate", f"--out={path}"])
    assert ("", f"error: {expected.format(out=path, parent=path.parent)}\n") == tuple(capfd.readouterr())
    assert ["file"] == [path.name for path in tmp_path.iterdir()]


def test_results_of_the_day_that_are_none_stop_it_before_it_begins(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """They are left as they are."""
    assert 0 == main(["--only=simulate", "--tiny", f"--out={tmp_path}"])
    data = Path(capfd.readouterr().out.splitlines()[0])
    data.write_text("{")
    assert EXIT_WRONG_USAGE == main(["--only=simulate", "--tiny", f"--out={tmp_path}"])
    out, err = capfd.readouterr()
    assert ("", 1) == (out, err.count("\n"))
    assert err.startswith(f"error: {data} holds no results, move it away: ")
    assert "{" == data.read_text()


def test_a_folder_is_made(tmp_path: Path) -> None:
    """Where its parent is there."""
    assert 0 == main(["--only=simulate", "--tiny", f"--out={tmp_path / 'results'}"])
    assert 3 == len(list((tmp_path / "results").iterdir()))
