"""The report: it says what it was measured on, and holds a section for each script that was run."""

import errno
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perf import report
from perf.report import BEGIN, END, IMAGES, PAGE, describe, main, publish, write
from tests.perf.sections.samples import SLOPES, SOAK_ROW, make_results

HEADINGS = ["Goals", "What a decision costs", "Requests", "Storms", "Overload", "ServiceAccounts", "Soak", "A million"]


def test_it_begins_with_what_it_was_measured_on(tmp_path: Path) -> None:
    """With the build of the interpreter, if the results know it; and with what others took meanwhile."""
    results = make_results()
    results["soak"] |= {"machine": results["machine"], "commit": "abc1234"}
    lines = write(results, tmp_path / "a.json").read_text().splitlines()[2:6]
    assert "2026-01-02: a processor, 2 cores, a system," == lines[0]
    assert lines[1].startswith("CPython 3.11.2; nats-server, service,")
    assert lines[2].startswith("Commit: abc1234.")
    assert lines[3].endswith("took 0% to")
    results["machine"]["build"] = "GCC 12.2.0"
    assert "\nCPython 3.11.2 (GCC 12.2.0); nats-server," in write(results, tmp_path / "a.json").read_text()


def test_parts_of_other_commits_are_named(tmp_path: Path) -> None:
    """Most are of one; a soak of hours is often of an older one, and of old results it is not known."""
    results = make_results()
    for name, commit in (("ladder", "abc1234"), ("load", "abc1234"), ("storm", ""), ("soak", "def5678")):
        results[name] |= {"machine": results["machine"], "commit": commit}
    said = "\nCommits: abc1234 for ladder, load; unknown for storm; def5678 for soak.\n"
    assert said in write(results, tmp_path / "a.json").read_text()


def test_the_published_page_is_that_of_its_figures() -> None:
    """Every line that they come to stands in it, between the marks.

    But for the times of the parts: one of these was only reckoned, and is not among the figures.
    """
    results = msgspec.json.decode((PAGE.parent / f"{PAGE.stem}-figures.json").read_bytes())
    _, begun, rest = PAGE.read_text().partition(f"{BEGIN}\n")
    between, ended, _ = rest.partition(f"{END}\n")
    assert begun
    assert ended
    published = {*between.splitlines()}
    lines = describe(results, IMAGES).lines
    assert [] == [line for line in lines if line not in published and not line.startswith("Begun at ")]


def test_figures_have_a_report_that_is_not_the_page(tmp_path: Path) -> None:
    """What is published can be read again, and the page stays as it is."""
    page = tmp_path / "performance.md"
    page.write_text(f"# Head\n{BEGIN}\n{END}\n")
    publish(make_results(), page)
    published = page.read_text()
    assert 0 == main([str(tmp_path / "performance-figures.json")])
    assert published == page.read_text()
    assert (tmp_path / "performance-figures.md").exists()


def test_what_others_have_disturbed_is_named(tmp_path: Path) -> None:
    """Script by script, in one line; if they have left everything alone there is no such line."""
    results = make_results()
    text = write(results, tmp_path / "a.json").read_text()
    assert (
        "took 0% to\n20% of its CPU (20% in the median).\n**Disturbed**: others took more than 10% of the CPU" in text
    )
    (line,) = (line for line in text.splitlines() if line.startswith("**Disturbed**"))
    assert line.endswith(": load (1 of 1 measurements, up to 20.0%), scale (4 of 4 measurements, up to 20.0%).")
    for name in ("load", "scale"):
        del results[name]
    assert "**Disturbed**" not in write(results, tmp_path / "a.json").read_text()


def test_every_part_says_how_to_measure_it_again(tmp_path: Path) -> None:
    """Below its table, if its results know; a soak that was measured by itself does not."""
    results = make_results()
    results["storm"]["commands"] = ["python -m perf.storm --at-once=2", "python -m perf.storm --tls"]
    text = write(results, tmp_path / "a.json").read_text()
    assert "\nBy `python -m perf.storm --at-once=2`, `python -m perf.storm --tls`.\n" in text
    assert 1 == text.count("\nBy `")


def test_every_part_is_shown_with_its_time(tmp_path: Path) -> None:
    """In the order of the sections; parts of results that do not say it are left out."""
    results = make_results()
    assert "Begun at" not in write(results, tmp_path / "a.json").read_text()
    results["storm"]["began_at"] = "2026-01-02T03:04:05+00:00"
    results["load"]["began_at"] = "2026-01-02T13:14:15+00:00"
    assert "\nBegun at (UTC): load 13:14, storm 03:04.\n" in write(results, tmp_path / "a.json").read_text()


def test_a_part_alone_has_its_own_goals(tmp_path: Path) -> None:
    """And one without goals has no table of them."""
    results = make_results()
    part = {name: results[name] for name in ("date", "machine", "simulate")}
    assert "### Goals" not in write(part, tmp_path / "a.json").read_text()
    part["ladder"] = results["ladder"]
    assert "| - |" not in write(part, tmp_path / "a.json").read_text()


def test_every_plot_that_it_shows_is_there(tmp_path: Path) -> None:
    """In a folder beside it, of the same name; and no other."""
    text = write(make_results(), tmp_path / "a.json").read_text()
    shown = [line.partition("](")[2].rstrip(")") for line in text.splitlines() if line.startswith("![")]
    assert sorted(shown) == sorted(f"a/{path.name}" for path in (tmp_path / "a").iterdir())


def test_sections_stand_in_one_order(tmp_path: Path) -> None:
    """Whatever order the results are in; what was not measured has none."""
    results = dict(reversed(make_results().items()))
    lines = write(results, tmp_path / "a.json").read_text().splitlines()
    found = [line.removeprefix("### ") for line in lines if line.startswith("###")]
    assert all(heading.startswith(wanted) for heading, wanted in zip(found, HEADINGS, strict=True))
    del results["soak"]
    assert "### Soak" not in write(results, tmp_path / "a.json").read_text()


def test_the_command_says_where_it_is(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Beside the results that it read."""
    path = tmp_path / "a.json"
    path.write_bytes(msgspec.json.encode(make_results()))
    assert 0 == main([str(path)])
    assert f"{tmp_path / 'a.md'}\n" == capfd.readouterr().out


SOAK = {
    "began_at": "2026-01-01T23:04:05+00:00",
    "machine": make_results()["machine"],
    "rate": 250,
    "rows": [{**SOAK_ROW, "hours": 8.0}],
    "slopes": SLOPES,
}


def test_a_longer_soak_takes_the_place_of_the_short_one(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What `perf.soak --json` has printed; the report says when that began, and on which day if it is another."""
    path, soak = tmp_path / "a.json", tmp_path / "soak.json"
    path.write_bytes(msgspec.json.encode(make_results()))
    soak.write_bytes(msgspec.json.encode(SOAK))
    assert 0 == main([str(path), f"--soak={soak}"])
    text = Path(capfd.readouterr().out.strip()).read_text()
    assert "\n480.0 minutes at 250 requests/s: " in text
    assert "\nBegun at (UTC): soak 2026-01-01 23:04.\n" in text
    assert path.read_bytes() == msgspec.json.encode(make_results())


def write_runs(folder: Path, *changes: dict[str, Any]) -> list[Path]:
    """Files with as many runs, each an hour after the one before."""
    paths = [folder / f"{number}.json" for number in range(len(changes))]
    for number, (path, change) in enumerate(zip(paths, changes, strict=True)):
        results = make_results()
        for name in results.keys() - {"date", "machine"}:
            results[name] = {**results[name], "began_at": f"2026-01-02T0{number}:03:04+00:00"}
        path.write_bytes(msgspec.json.encode(results | change))
    return paths


def test_the_goals_of_other_runs_stand_beside(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """How many there were, and when, is said above; the tables are of the one run."""
    path, second, third = write_runs(tmp_path, {}, {}, {})
    assert 0 == main([str(path), f"--beside={third}", f"--beside={second}"])
    text = Path(capfd.readouterr().out.strip()).read_text()
    assert (
        "\n3 runs were measured on this machine; the others began at 2026-01-02 01:03 and 2026-01-02 02:03. The tables"
        " are of this one.\n" in text
    )
    assert "| what | goal | measured | reached | in all runs | reached in |" in text
    assert text.count(" 3 of 3 |") >= 4


def complain(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> str:
    """The one line in which it is said that there is no report."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert 2 == ended.value.code
    return capfd.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"machine": {**make_results()["machine"], "cores": 3}}, "was measured on another machine"),
        ({"machine": {**make_results()["machine"], "build": "GCC 1"}}, "by another build of Python"),
        ({"tiny": True}, "holds no run of the same parts"),
        ({"load": {"points": [{}]}}, "holds results of another version"),
    ],
)
def test_another_run_has_to_be_one_that_can_be_compared(
    change: dict[str, Any], complaint: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its figures would be taken for what this code, on this machine, differs by."""
    path, other = write_runs(tmp_path, {}, change)
    assert complaint in complain([str(path), f"--beside={other}"], capfd)


def test_a_run_does_not_stand_beside_itself(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Nor does another one twice."""
    path, other = write_runs(tmp_path, {}, {})
    for twice in ((path,), (other, other)):
        assert "names a run twice" in complain([str(path), *(f"--beside={one}" for one in twice)], capfd)


@pytest.mark.parametrize(
    ("soak", "complaint"),
    [
        ({}, "holds no report of `python -m perf.soak --json`: "),
        ({**SOAK, "rows": []}, "holds no report of `python -m perf.soak --json`: "),
        ({**SOAK, "machine": {**SOAK["machine"], "cores": 3}}, "was measured on another machine"),
    ],
)
def test_what_is_no_soak_of_that_machine_is_refused(
    soak: dict[str, Any], complaint: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """In one line; nothing is written."""
    path, other = tmp_path / "a.json", tmp_path / "soak.json"
    path.write_bytes(msgspec.json.encode(make_results()))
    other.write_bytes(msgspec.json.encode(soak))
    assert f"error: {other} {complaint}" in complain([str(path), f"--soak={other}"], capfd)
    assert not path.with_suffix(".md").exists()


@pytest.mark.parametrize(
    ("results", "complaint"),
    [
        ({}, "holds no results of `python -m perf`: Object missing required field `date`"),
        ({"machine": make_results()["machine"], "points": []}, "holds no results of `python -m perf`: "),
        ({**make_results(), "overload": {"straight": {}}}, "holds results of another version: KeyError('"),
    ],
)
def test_results_of_something_else_are_one_line(
    results: dict[str, Any], complaint: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What one script has printed, say, or an earlier version has measured."""
    path = tmp_path / "a.json"
    path.write_bytes(msgspec.json.encode(results))
    assert f"error: {path} {complaint}" in complain([str(path)], capfd)


def test_a_page_without_marks_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is left as it is."""
    path, page = tmp_path / "a.json", tmp_path / "page.md"
    path.write_bytes(msgspec.json.encode(make_results()))
    page.write_text("# Head\n")
    monkeypatch.setattr(report, "PAGE", page)  # no test writes into the checkout's own
    assert f"error: {page} lacks the marks" in complain([str(path), "--publish"], capfd)
    assert "# Head\n" == page.read_text()


def test_a_page_that_cannot_be_written_is_one_line_and_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """On a full disk (/dev/full) a page would end in the middle; so would a report beside the results."""
    path, page = tmp_path / "a.json", tmp_path / "page.md"
    path.write_bytes(msgspec.json.encode(make_results()))
    page.write_text(f"# Head\n{report.BEGIN}\n{report.END}\nlast\n")
    before = page.read_text()
    monkeypatch.setattr(report, "PAGE", page)  # no test writes into the checkout's own
    for name, written in (("page.md", page), ("a.md", path.with_suffix(".md"))):
        (tmp_path / f".{name}.draft").symlink_to("/dev/full")
        expected = f"error: {written} cannot be written: {os.strerror(errno.ENOSPC).lower()}"
        assert complain([str(path), "--publish"], capfd).endswith(expected)
    assert before == page.read_text()
    page.unlink()
    assert f"error: {page} cannot be read: no such file" in complain([str(path), "--publish"], capfd)


def test_plots_that_cannot_be_written_are_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Where their folder is to be, there is a file."""
    path = tmp_path / "a.json"
    path.write_bytes(msgspec.json.encode(make_results()))
    (tmp_path / "a").touch()
    assert f"error: {tmp_path / 'a'} cannot be written: file exists" in complain([str(path)], capfd)


@pytest.mark.parametrize("content", [None, b"", b"[]"])
def test_what_are_no_results_is_refused(
    content: bytes | None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """In one line; exit code 2."""
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    assert f"error: {path} cannot be read" in complain([str(path)], capfd)
