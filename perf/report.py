"""The report: Markdown with plots, made from the results of a run.

`python -m perf.report FILE` writes it beside the results; `--publish` puts it into docs/performance.md, between its two
marks, and the plots into docs/images/. What stands outside of the marks is left as it is.
"""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from perf.cases import FIRST_SEEN
from perf.command import Report, show
from perf.goals import judge
from perf.plots import Axis, Point, draw_bars, draw_lines

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = ROOT / "docs/performance.md"
IMAGES: Final = "images"
BEGIN: Final = "<!-- measured: begin -->"
END: Final = "<!-- measured: end -->"
_BETWEEN: Final = re.compile(re.escape(BEGIN) + r".*?" + re.escape(END), re.DOTALL)
_COMMON_STAGES: Final = (
    "take the request apart",
    "verify the request's signature",
    "take the token apart",
    "look the ServiceAccount up",
    "make and sign the user JWT",
    "make and sign the response",
)
_RECALL: Final = "recall a remembered token"
_REST: Final = "what joins them"
_CHECK: Final = "verify the token's signature"


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
    images = path.with_suffix("")
    images.mkdir(exist_ok=True)
    for name, text in draw(results).items():
        (images / name).write_text(text)
    page = path.with_suffix(".md")
    page.write_text("\n".join(["# Measured", "", *describe(results, images.name)]))
    return page


def publish(results: Mapping[str, Any], page: Path) -> None:
    """Put the report into a page, between its marks, and the plots into the folder beside it.

    Raises:
        ValueError: the page has no marks.
    """
    text = page.read_text()
    if not _BETWEEN.search(text):
        raise ValueError(f"{page} lacks the marks {BEGIN} and {END}")
    images = page.parent / IMAGES
    images.mkdir(exist_ok=True)
    for name, drawn in draw(results).items():
        (images / name).write_text(drawn)
    body = "\n".join([BEGIN, "", *describe(results, IMAGES), "", END])
    page.write_text(_BETWEEN.sub(lambda _: body, text))


def describe(results: Mapping[str, Any], images: str) -> list[str]:
    """Return the lines of the report; `images` is the folder that its plots are in."""
    machine = results["machine"]
    lines = [
        f"{results['date']}: {machine['processor']}, {machine['cores']} cores, {machine['system']},",
        f"{machine['python']}; nats-server, service, generator and pretend API server on the same cores.",
        _say_others(results),
        "",
        "### Goals",
        "",
        *_table(("what", "goal", "measured", "reached"), judge(results)),
    ]
    for name, section in _SECTIONS.items():
        if name in results:
            lines += ["", *section(results[name], images)]
    return lines


def _say_others(results: Mapping[str, Any]) -> str:
    """Say how much of the machine others took, which every rate suffers from."""
    steps = [*results.get("load", {}).get("points", []), *results.get("storm", {}).get("rows", [])]
    shares = sorted(step["others_share"] for step in steps)
    if not shares:
        return ""
    return (
        f"While requests and storms were measured, whatever else ran on this machine took {shares[0]:.0%} to"
        f" {shares[-1]:.0%} of its CPU ({shares[len(shares) // 2]:.0%} in the median)."
    )


def draw(results: Mapping[str, Any]) -> dict[str, str]:
    """Return the plots of what was measured: SVG by the name of its file."""
    plots: dict[str, str] = {}
    for name, drawer in _DRAWERS.items():
        if name in results:
            plots |= drawer(results[name])
    return plots


def _ladder(report: Report, images: str) -> list[str]:
    rows = [
        [f"{row['algorithm']}, {row['token']}, {row['mode']} mode", row["whole"], row["bare"], row["ratio"]]
        for row in report["decisions"]
    ]
    return [
        "### What a decision costs in process",
        "",
        f"![CPU of the stages of a decision]({images}/stages.svg)",
        "",
        *_table(("decision, µs of CPU", "whole", "bare cryptography", "ratio"), rows),
    ]


def _draw_ladder(report: Report) -> dict[str, str]:
    stages = report["stages"]
    bars = {}
    for row in report["decisions"]:
        if row["mode"] != "server":
            continue
        bar = {stage: stages[stage] for stage in _COMMON_STAGES}
        # A remembered token is recalled by its text, and not even taken apart.
        if row["token"] == FIRST_SEEN:
            bar[_CHECK] = stages[f"{_CHECK}, {row['algorithm']}"]
        else:
            bar = {stage: cost for stage, cost in bar.items() if stage != "take the token apart"}
            bar[_RECALL] = stages[_RECALL]
        bar[_REST] = max(row["whole"] - sum(bar.values()), 0)
        bars[f"{row['algorithm']}, {row['token']}"] = bar
    return {"stages.svg": draw_bars("CPU of the stages of a decision, in process, server mode", "µs", bars)}


def _load(report: Report, images: str) -> list[str]:
    columns = (
        "replicas of workers",
        "tokens",
        "in flight",
        "decisions/s",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "worker µs",
        "server µs",
        "generator µs",
        "its share of the CPU",
        "others' share",
    )
    rows = []
    for point in report["points"]:
        cost, latency = point["cpu_us_per_request"], point["latency_ms"]
        rows.append(
            [
                f"{point['replicas']} of {point['workers']}",
                point["tokens"],
                point["window"] or f"{point['offered']}/s offered",
                point["rate"],
                latency["p50"],
                latency["p99"],
                latency["p999"],
                cost["workers"],
                cost["server"],
                cost["generator"],
                point["generator_share"],
                point["others_share"],
            ]
        )
    plots = [f"![{name}]({images}/{name}.svg)" for name in ("load-rate", "load-latency", "load-replicas")]
    lost = sum(point["unanswered"] + point["answered"] - point["allowed"] for point in report["points"])
    return [
        "### Requests straight to the subject",
        "",
        "\n".join(plots),
        "",
        *_table(columns, rows),
        "",
        f"Requests that were refused or not answered, of all of these: {lost}.",
    ]


def _draw_load(report: Report) -> dict[str, str]:
    rates: dict[str, list[Point]] = {}
    latencies: dict[str, list[Point]] = {}
    for point in report["points"]:
        if point["series"] == "windows":
            who = f"{point['workers']} workers" if point["workers"] > 1 else "1 worker"
            rates.setdefault(who, []).append((point["window"], point["rate"]))
            for share in ("p50", "p99"):
                latencies.setdefault(f"{who}, {share}", []).append((point["window"], point["latency_ms"][share]))
    window = Axis("requests in flight", logarithmic=True)
    replicas = [(point["replicas"], point["rate"]) for point in report["points"] if point["series"] == "replicas"]
    return {
        "load-rate.svg": draw_lines("Decisions a second, by requests in flight", window, Axis("decisions/s"), rates),
        "load-latency.svg": draw_lines(
            "Time to the answer, by requests in flight", window, Axis("ms", logarithmic=True), latencies
        ),
        "load-replicas.svg": draw_lines(
            "Decisions a second, by replicas of one worker",
            Axis("replicas"),
            Axis("decisions/s"),
            {"two cores for all of it": replicas},
        ),
    }


def _storm(report: Report, images: str) -> list[str]:  # noqa: ARG001  # all sections are called alike
    columns = (
        "protocol",
        "clients",
        "at once",
        "retry",
        "connections/s",
        "in",
        "refused",
        "p50 ms",
        "p99 ms",
        "server s",
        "service s",
        "generator s",
        "its share of the CPU",
        "others' share",
    )
    rows = []
    for row in report["rows"]:
        cpu = row["cpu_s"]
        rows.append(
            [
                row["protocol"],
                row["clients"],
                row["at_once"],
                "no" if row["tries_at_most"] == 1 else "yes",
                row["rate"],
                row["admitted"],
                row["refused"],
                row["time_to_admitted_ms"]["p50"],
                row["time_to_admitted_ms"]["p99"],
                cpu["server"],
                round(cpu["workers"] + cpu["supervisor"], 3),
                cpu["generator"],
                row["generator_share"],
                row["others_share"],
            ]
        )
    return ["### Storms: real connections, tokens first seen", "", *_table(columns, rows)]


def _overload(report: Report, images: str) -> list[str]:
    lines = ["### Overload", "", f"![what gets through]({images}/overload.svg)", ""]
    straight = report["straight"]
    lines += [f"Straight at the subject; capacity was {straight['capacity']:,.0f} requests/s:", ""]
    columns = (
        "times capacity",
        "offered/s",
        "in time/s",
        "late",
        "not answered",
        "p50 ms",
        "p99 ms",
        "generator's share of the CPU",
        "others' share",
    )
    rows: list[list[object]] = [
        [
            f"{step['factor']:g}",
            step["offered"],
            step["goodput"],
            step["late"],
            step["unanswered"],
            step["latency_ms"]["p50"],
            step["latency_ms"]["p99"],
            step["generator_share"],
            step["others_share"],
        ]
        for step in straight["steps"]
    ]
    lines += _table(columns, rows)
    connected = report["end_to_end"]
    if connected:
        lines += ["", f"End to end, with retry; capacity was {connected['capacity']:,.0f} connections/s:", ""]
        heads = (
            "times capacity",
            "offered/s",
            "in/s",
            "in",
            "tries",
            "seconds until all are in",
            "generator's share of the CPU",
            "others' share",
        )
        rows = [
            [
                f"{step['factor']:g}",
                step["offered"],
                step["rate"],
                step["admitted"],
                step["tries"],
                step["seconds_until_all_in"],
                step["generator_share"],
                step["others_share"],
            ]
            for step in connected["steps"]
        ]
        lines += _table(heads, rows)
    return lines


def _draw_overload(report: Report) -> dict[str, str]:
    lines = {
        "at the subject: answers within 1.5 s": [
            (step["factor"], step["goodput"] / report["straight"]["capacity"]) for step in report["straight"]["steps"]
        ]
    }
    if report["end_to_end"]:
        capacity = report["end_to_end"]["capacity"]
        lines["end to end, with retry: connections"] = [
            (step["factor"], step["rate"] / capacity) for step in report["end_to_end"]["steps"]
        ]
    title = "What gets through, in terms of capacity"
    return {"overload.svg": draw_lines(title, Axis("offered ÷ capacity"), Axis("got through ÷ capacity"), lines)}


def _scale(report: Report, images: str) -> list[str]:
    columns = (
        "ServiceAccounts",
        "ready s",
        "after the list s",
        "supervisor MiB",
        "snapshot MiB",
        "worker MiB",
        "change p50 ms",
        "change p99 ms",
        "decisions/s",
        "p99 ms",
        "while changing: decisions/s",
        "worker µs: at rest",
        "changing",
    )
    rows = [
        [
            row["serviceaccounts"],
            row["seconds_to_ready"],
            row["seconds_from_list_to_ready"],
            row["supervisor_mib"],
            row["snapshot_mib"],
            row["worker_mib"],
            row["change_ms"]["p50"],
            row["change_ms"]["p99"],
            row["at_rest"]["rate"],
            row["at_rest"]["latency_ms"]["p99"],
            row["while_changing"]["rate"],
            row["at_rest"]["cpu_us_per_request"]["workers"],
            row["while_changing"]["cpu_us_per_request"]["workers"],
        ]
        for row in report["rows"]
    ]
    plots = [f"![{name}]({images}/{name}.svg)" for name in ("scale-memory", "scale-rate", "scale-latency")]
    about = f"While changing: {report['churn']:,} ServiceAccounts a second."
    return ["### ServiceAccounts", "", "\n".join(plots), "", *_table(columns, rows), "", about]


def _draw_scale(report: Report) -> dict[str, str]:
    across = Axis("ServiceAccounts", logarithmic=True)
    memory = {
        name: [(row["serviceaccounts"], row[key]) for row in report["rows"]]
        for name, key in (("supervisor", "supervisor_mib"), ("snapshot", "snapshot_mib"), ("one worker", "worker_mib"))
    }
    rates = {
        title: [(row["serviceaccounts"], row[key]["rate"]) for row in report["rows"]]
        for key, title in (("at_rest", "at rest"), ("while_changing", "while changing"))
    }
    latencies: dict[str, list[Point]] = {
        f"{title}, {share}": [
            (row["serviceaccounts"], row[f"{key}_half_load"]["latency_ms"][share]) for row in report["rows"]
        ]
        for key, title in (("at_rest", "at rest"), ("while_changing", "while changing"))
        for share in ("p50", "p99")
    }
    return {
        "scale-memory.svg": draw_lines("Memory, by ServiceAccounts", across, Axis("MiB", logarithmic=True), memory),
        "scale-rate.svg": draw_lines("Decisions a second, by ServiceAccounts", across, Axis("decisions/s"), rates),
        "scale-latency.svg": draw_lines(
            "Time to the answer at half load, by ServiceAccounts", across, Axis("ms", logarithmic=True), latencies
        ),
    }


def _soak(report: Report, images: str) -> list[str]:  # noqa: ARG001  # all sections are called alike
    first, last = report["rows"][0], report["rows"][-1]
    answered = sum(row["answered"] for row in report["rows"])
    lost = sum(row["unanswered"] + row["not_let_in"] for row in report["rows"])
    reconnects = sum(row["reconnects"] for row in report["rows"])
    return [
        "### Soak",
        "",
        f"{last['hours'] * 60:.1f} minutes at {report['rate']:,} requests/s: {answered:,} answered, {lost} lost or",
        f"refused, {reconnects} reconnects, {last['restarts']} workers started anew; the workers took",
        f"{first['workers_mib']:.1f} MiB in the beginning and {last['workers_mib']:.1f} MiB in the end. What hours do,",
        "`python -m perf.soak --hours 8` tells.",
    ]


def _simulate(report: Report, images: str) -> list[str]:
    columns = (
        "course",
        "peak logins/s before the restarts",
        "peak logins/s",
        "refusals",
        "seconds above capacity",
        "least connected",
    )
    rows: list[list[object]] = [
        [
            name,
            found["peak_before_restarts"],
            found["peak_asking"],
            found["refusals"],
            found["seconds_above_capacity"],
            found["least_connected"],
        ]
        for name, found in report["courses"].items()
    ]
    about = (
        f"Reckoned, not measured: {report['clients']:,} clients, logins of {report['ttl']} s, {report['capacity']:,.0f}"
        f" logins/s decided, {report['servers']} nats-servers restarted one by one from second"
        f" {report['restarts_at']} on."
    )
    return [
        "### A million clients over an hour",
        "",
        f"![logins a second]({images}/simulation.svg)",
        "",
        about,
        "",
        *_table(columns, rows),
    ]


def _draw_simulation(report: Report) -> dict[str, str]:
    lines = {
        name: [(float(second), max(value, 1.0)) for second, value in enumerate(found["asking"])]
        for name, found in report["courses"].items()
    }
    seconds = max((len(line) for line in lines.values()), default=0)
    capacity = [(0.0, float(report["capacity"])), (float(max(seconds - 1, 1)), float(report["capacity"]))]
    lines["what is decided a second"] = capacity
    title = f"Logins asked for a second, {report['clients']:,} clients"
    return {
        "simulation.svg": draw_lines(title, Axis("seconds"), Axis("logins/s", logarithmic=True), lines, marks=False)
    }


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return lines + [f"| {' | '.join(show(value) for value in row)} |" for row in rows]


_SECTIONS: Final = {
    "ladder": _ladder,
    "load": _load,
    "storm": _storm,
    "overload": _overload,
    "scale": _scale,
    "soak": _soak,
    "simulate": _simulate,
}
_DRAWERS: Final = {
    "ladder": _draw_ladder,
    "load": _draw_load,
    "overload": _draw_overload,
    "scale": _draw_scale,
    "simulate": _draw_simulation,
}

if __name__ == "__main__":
    sys.exit(main())
