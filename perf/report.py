"""The report: Markdown with plots, made from the results of a run.

`python -m perf.report FILE` writes it beside the results; `--publish` puts it into docs/performance.md, between its two
marks, and the plots into docs/images/. What stands outside of the marks is left as it is. How the results of each
script are told, `perf.sections` says.
"""

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from perf.command import Report
from perf.disturbance import find_disturbance, say_disturbed
from perf.goals import judge
from perf.machine import say_python
from perf.sections import ladder, load, overload, scale, simulate, soak, storm
from perf.sections.section import Section, render
from perf.tables import markdown_table

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = ROOT / "docs/performance.md"
IMAGES: Final = "images"
BEGAN: Final = "began_at"  # in what a script has measured: when, in UTC
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
    "simulate": simulate.describe,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report of a run."""
    parser = argparse.ArgumentParser(prog="python -m perf.report", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("results", type=Path, help="a file of perf/results/")
    parser.add_argument("--publish", action="store_true", help="put it into docs/performance.md as well")
    options = parser.parse_args(arguments)
    try:
        results = msgspec.json.decode(options.results.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError) as error:
        parser.error(f"{options.results} cannot be read: {error}")
    print(write(results, options.results))
    if options.publish:
        publish(results, PAGE)
        print(PAGE)
    return 0


def write(results: Mapping[str, Any], path: Path) -> Path:
    """Write the report of results beside the file that holds them, and return where it is."""
    lines = _write_body(results, path.with_suffix(""))
    page = path.with_suffix(".md")
    page.write_text("\n".join(["# Measured", "", *lines]))
    return page


def publish(results: Mapping[str, Any], page: Path) -> None:
    """Put the report into a page, between its marks, and the plots into the folder beside it.

    Raises:
        ValueError: the page has no marks.
    """
    text = page.read_text()
    if not _BETWEEN.search(text):
        raise ValueError(f"{page} lacks the marks {BEGIN} and {END}")
    body = "\n".join([BEGIN, "", *_write_body(results, page.parent / IMAGES), "", END])
    page.write_text(_BETWEEN.sub(lambda _: body, text))


def _write_body(results: Mapping[str, Any], images: Path) -> list[str]:
    """Write the plots into a folder, and return the lines of a page that stands beside it."""
    reports = {name: results[name] for name in _SECTIONS if name in results}
    sections = [_SECTIONS[name](report) for name, report in reports.items()]
    images.mkdir(exist_ok=True)
    for plot in (plot for section in sections for plot in section.plots):
        (images / plot.file).write_text(plot.svg)
    lines = [*_say_machine(results), *_say_when(reports), *_say_others(reports)]
    if goals := judge(reports):
        lines += ["", "### Goals", "", *markdown_table(("what", "goal", "measured", "reached"), goals)]
    for section in sections:
        lines += ["", *render(section, images.name)]
    return lines


def _say_machine(results: Mapping[str, Any]) -> list[str]:
    machine = results["machine"]
    return [
        *(["**Tiny: these figures say nothing.**", ""] if results.get("tiny") else []),
        f"{results['date']}: {machine['processor']}, {machine['cores']} cores, {machine['system']},",
        f"{say_python(machine)}; nats-server, service, generator and pretend API server on the same cores.",
    ]


def _say_when(reports: Mapping[str, Report]) -> list[str]:
    """Say when each script began: they may be of several runs."""
    began = [(name, datetime.fromisoformat(report[BEGAN])) for name, report in reports.items() if BEGAN in report]
    return [f"Begun at (UTC): {', '.join(f'{name} {at:%H:%M}' for name, at in began)}."] if began else []


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
