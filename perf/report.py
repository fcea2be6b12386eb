"""The report: Markdown with plots, made from the results of a run.

`python -m perf.report FILE` writes it beside the results; `--publish` puts it into docs/performance.md, between its
two marks, the plots into docs/images/ and the figures into docs/performance-figures.json, beside which a report is not
the page. What stands outside of the marks is left as it is. With `--soak FILE` what `python -m perf.soak --json` has
printed takes the place of the short soak; with `--beside FILE` the goals of other runs stand beside those of this one.
How the results of each script are told, `perf.sections` says.
"""

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from callout.errors import CommandError
from callout.files import reason_of
from perf.commandline.drafts import cannot_write, write_whole
from perf.figures.disturbance import find_disturbance, say_disturbed
from perf.figures.findings import BEGAN, COMMANDS, COMMIT, MACHINE, Report
from perf.figures.machine import say_python
from perf.figures.tables import markdown_table
from perf.goals import find_figures, judge
from perf.sections import ladder, load, overload, scale, simulate, soak, storm
from perf.sections.section import Plot, Section, render

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = ROOT / "docs/performance.md"
IMAGES: Final = "images"
SIMULATE: Final = "simulate"
BESIDE: Final = "beside"  # in results: what other runs came to, in terms of goals
BEGIN: Final = "<!-- measured: begin -->"
END: Final = "<!-- measured: end -->"
_BETWEEN: Final = re.compile(re.escape(BEGIN) + r".*?" + re.escape(END), re.DOTALL)
_SECTIONS: Final[dict[str, Callable[[Report], Section]]] = {
    "ladder": ladder.describe,
    "load": load.describe,
    "storm": storm.describe,
    "overload": overload.describe,
    "scale": scale.describe,
    "soak": soak.describe,
    SIMULATE: simulate.describe,
}


class OtherVersionError(Exception):
    """Results are not such as are measured now; it says what was looked for in vain."""


class Body(msgspec.Struct, frozen=True):
    """A report: the lines of its page, without the heading, and the plots in the folder beside that."""

    lines: list[str]
    plots: list[Plot]


class _Machine(msgspec.Struct, frozen=True):
    processor: str
    cores: int
    system: str
    python: str


class _Results(msgspec.Struct, frozen=True):
    date: str
    machine: _Machine


class _Soak(msgspec.Struct, frozen=True):
    began_at: str
    machine: _Machine
    rate: int
    rows: Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1)]
    slopes: dict[str, float | None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report of a run."""
    parser = argparse.ArgumentParser(prog="python -m perf.report", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("results", type=Path, help="a file of perf/results/")
    parser.add_argument("--soak", type=Path, metavar="FILE", help="what `perf.soak --json` printed, for the short soak")
    parser.add_argument(
        "--beside",
        type=Path,
        metavar="FILE",
        action="append",
        default=[],
        help="another run on the same machine; often",
    )
    parser.add_argument("--publish", action="store_true", help="put it into docs/performance.md as well")
    options = parser.parse_args(arguments)
    try:
        results = _read_results(options.results)
        if options.soak is not None:
            results["soak"] = _read_soak(options.soak, results[MACHINE])
        if options.beside:
            results[BESIDE] = _read_others(options.beside, results)
        print(write(results, options.results))
        if options.publish:
            publish(results, PAGE)
            print(PAGE)
    except (ValueError, CommandError) as error:
        parser.error(str(error))
    except OtherVersionError as error:
        parser.error(f"{options.results} holds results of another version: {error}")
    return 0


def _read_results(path: Path) -> dict[str, Any]:
    """Read what `python -m perf` has written.

    Raises:
        ValueError: it is something else.
    """
    results = _read(path)
    try:
        msgspec.convert(results, _Results)
    except msgspec.ValidationError as error:
        raise ValueError(f"{path} holds no results of `python -m perf`: {error}") from None
    return results


def _read_soak(path: Path, machine: Mapping[str, Any]) -> Report:
    """Read what `python -m perf.soak --json` has printed on that machine.

    Raises:
        ValueError: it is something else, or of another machine.
    """
    report = _read(path)
    try:
        msgspec.convert(report, _Soak)
    except msgspec.ValidationError as error:
        raise ValueError(f"{path} holds no report of `python -m perf.soak --json`: {error}") from None
    _check_machine(path, report[MACHINE], machine)
    return report


def _read_others(paths: Sequence[Path], results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Read other runs, in the order of their beginnings.

    Raises:
        ValueError: one is none, or is there twice.
    """
    others = sorted((_read_goals(path, results) for path in paths), key=lambda one: str(one[BEGAN]))
    if len({_find_beginning(results), *(one[BEGAN] for one in others)}) <= len(others):
        raise ValueError("--beside names a run twice, or the one that it is to stand beside")
    return others


def _read_goals(path: Path, results: Mapping[str, Any]) -> dict[str, Any]:
    """Read when another run began, and what it has come to in terms of goals.

    Raises:
        ValueError: it is something else, of another machine or version, of other parts, or a tiny one.
    """
    other = _read_results(path)
    _check_machine(path, other[MACHINE], results[MACHINE])
    if other.get("tiny") or other.keys() & _SECTIONS.keys() != results.keys() & _SECTIONS.keys():
        raise ValueError(f"{path} holds no run of the same parts")
    if other[MACHINE] != results[MACHINE]:
        raise ValueError(f"{path} was measured by another build of Python, or with other libraries")
    try:
        return {BEGAN: _find_beginning(other), "figures": find_figures(other)}
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} holds results of another version: {error!r}") from None


def _find_beginning(results: Mapping[str, Any]) -> str:
    """Return when the first part of a run began."""
    return min(str(results[name][BEGAN]) for name in _SECTIONS if name in results)


def _check_machine(path: Path, measured: Mapping[str, Any], machine: Mapping[str, Any]) -> None:
    if msgspec.convert(measured, _Machine) != msgspec.convert(machine, _Machine):
        raise ValueError(f"{path} was measured on another machine, or by another Python")


def _read(path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None


def write(results: Mapping[str, Any], path: Path) -> Path:
    """Write the report of results beside the file that holds them, and return where it is.

    Raises:
        CommandError: it cannot be written.
        OtherVersionError: there is none of these results.
    """
    images, page = path.with_suffix(""), path.with_suffix(".md")
    body = describe(results, images.name)
    _write_plots(body.plots, images)
    write_whole(page, "\n".join(["# Measured", "", *body.lines]).encode())
    return page


def publish(results: Mapping[str, Any], page: Path) -> None:
    """Put the report into a page, between its marks, the plots into the folder beside it, and the figures into a file.

    What was only reckoned is not among these: `perf.simulate` gives it at any time.

    Raises:
        ValueError: the page cannot be read, or has no marks.
        CommandError: it cannot be written.
        OtherVersionError: there is no report of these results.
    """
    try:
        text = page.read_text()
    except OSError as error:
        raise ValueError(f"{page} cannot be read: {reason_of(error)}") from None
    if not _BETWEEN.search(text):
        raise ValueError(f"{page} lacks the marks {BEGIN} and {END}")
    body = describe(results, IMAGES)
    _write_plots(body.plots, page.parent / IMAGES)
    figures = page.with_name(f"{page.stem}-figures.json")
    measured = {name: part for name, part in results.items() if name != SIMULATE}
    write_whole(figures, msgspec.json.format(msgspec.json.encode(measured)) + b"\n")
    source = f"The figures, with many that are in no table: [{figures.name}]({figures.name})."
    between = "\n".join([BEGIN, "", *body.lines, "", source, "", END])
    write_whole(page, _BETWEEN.sub(lambda _: between, text).encode())


def _write_plots(plots: Sequence[Plot], images: Path) -> None:
    try:
        images.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(images, error) from None
    for plot in plots:
        write_whole(images / plot.file, plot.svg.encode())


def describe(results: Mapping[str, Any], images: str) -> Body:
    """Make the report of results, whose plots are in a folder of that name.

    Raises:
        OtherVersionError: there is none of them.
    """
    try:
        return _describe(results, images)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise OtherVersionError(repr(error)) from error


def _describe(results: Mapping[str, Any], images: str) -> Body:
    reports = {name: results[name] for name in _SECTIONS if name in results}
    sections = [_describe_part(name, report) for name, report in reports.items()]
    lines = [*_say_machine(results), *_say_commits(reports)]
    lines += [*_say_when(reports, results["date"]), *_say_others(reports)]
    lines += _say_goals(reports, results)
    for section in sections:
        lines += ["", *render(section, images)]
    return Body(lines, [plot for section in sections for plot in section.plots])


def _describe_part(name: str, report: Report) -> Section:
    """Make a part's section, with the commands that measure it again; results from before they were kept have none."""
    section = _SECTIONS[name](report)
    commands = [f"`{command}`" for command in report.get(COMMANDS, ())]
    return (
        msgspec.structs.replace(section, lines=[*section.lines, "", f"By {', '.join(commands)}."])
        if commands
        else section
    )


def _say_goals(reports: Mapping[str, Report], results: Mapping[str, Any]) -> list[str]:
    """Say what was reached; of a tiny run not even that says anything."""
    others = results.get(BESIDE, [])
    if results.get("tiny") or not (goals := judge(reports, [one["figures"] for one in others])):
        return []
    lines = ["", "### Goals", ""]
    if not others:
        return [*lines, *markdown_table(("what", "goal", "measured", "reached"), goals)]
    began = " and ".join(str(one[BEGAN])[:16].replace("T", " ") for one in others)
    number = len(others) + 1
    said = f"{number} runs were measured on this machine; the others began at {began}. The tables are of this one."
    heads = ("what", "goal", "measured", "reached", "in all runs", "reached in")
    return [*lines, said, "", *markdown_table(heads, goals)]


def _say_machine(results: Mapping[str, Any]) -> list[str]:
    machine = results["machine"]
    return [
        *(["**Tiny: these figures say nothing.**", ""] if results.get("tiny") else []),
        f"{results['date']}: {machine['processor']}, {machine['cores']} cores, {machine['system']},",
        f"{say_python(machine)}; nats-server, service, generator and pretend API server on the same cores.",
    ]


def _say_commits(reports: Mapping[str, Report]) -> list[str]:
    """Say of which commit each part was measured: those of a day, or a soak of hours, may be of several."""
    parts: defaultdict[str, list[str]] = defaultdict(list)
    for name, report in reports.items():
        if MACHINE in report:  # or it was reckoned
            parts[report.get(COMMIT) or "unknown"].append(name)
    named = sorted(parts.items(), key=lambda part: -len(part[1]))
    if len(named) < 2:
        return [f"Commit: {commit}." for commit, _ in named]
    said = (f"{commit} for {', '.join(names)}" for commit, names in named)
    return [f"Commits: {'; '.join(said)}."]


def _say_when(reports: Mapping[str, Report], date: str) -> list[str]:
    """Say when each script began: they may be of several runs, and of another day."""
    began = [(name, datetime.fromisoformat(report[BEGAN])) for name, report in reports.items() if BEGAN in report]
    said = [
        f"{name} {at:%H:%M}" if at.date().isoformat() == date else f"{name} {at:%Y-%m-%d %H:%M}" for name, at in began
    ]
    return [f"Begun at (UTC): {', '.join(said)}."] if began else []


def _say_others(reports: Mapping[str, Report]) -> list[str]:
    """Say how much of the machine others took, which every rate suffers from."""
    shares = sorted(share for report in reports.values() for share in find_disturbance(report).shares)
    if not shares:
        return []
    lines = [
        f"While requests and storms were measured, whatever else ran on this machine took {shares[0]:.0%} to",
        f"{shares[-1]:.0%} of its CPU ({shares[len(shares) // 2]:.0%} in the median).",
    ]
    disturbed = say_disturbed(reports)
    return [*lines, f"**Disturbed**: {disturbed}."] if disturbed else lines


if __name__ == "__main__":
    sys.exit(main())
