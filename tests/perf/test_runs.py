"""One short run of everything: real nats-server, real service, bounds so small that no figure says anything.

No figure is asserted: what is counted has to add up.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perf import load, overload, soak, storm
from perf.__main__ import main
from perf.commandline.command import Progress
from perf.figures.summary import MIB
from perf.generator.crowd import Arrival
from perf.generator.target import PROTOCOLS, Target
from perf.goals import GOALS, find_figures
from perf.here.local import Local, Population, run_local
from perf.report import BEGIN, END, publish
from tests.commands import attempt

QUIET = Progress(silent=True)
TOKENS = 12
RUN_SECONDS = 600
"""Everything once takes half a minute; a busy machine needs much longer, and it ends by itself."""


def check_load(report: dict[str, Any]) -> None:
    """Straight at the subject: all are let in, and both kinds of tokens were there."""
    assert {"first seen", "remembered"} == {point["tokens"] for point in report["points"]}
    for point in report["points"]:
        assert point["answered"] == point["allowed"] == point["latency_ms"]["count"] > 0
        assert {"server", "supervisor", "workers", "generator", "others", "wall"} == set(point["cpu_s"])


def check_storm(rows: list[dict[str, Any]]) -> None:
    """Every client is in or refused."""
    for row in rows:
        assert row["clients"] == row["admitted"] + row["refused"]
        assert row["admitted"] == row["time_to_admitted_ms"]["count"]
        assert row["tries"] >= row["clients"]


def check_overload(report: dict[str, Any]) -> None:
    """Every request was answered in time, late or not at all."""
    steps = report["straight"]["steps"]
    assert [1.0, 3.0] == [step["factor"] for step in steps]
    for step in steps:
        asked = step["in_time"] + step["late"] + step["unanswered"]
        assert pytest.approx(step["offered"] * 0.5, abs=2) == asked
    check_storm(report["end_to_end"]["steps"])


def check_scale(report: dict[str, Any]) -> None:
    """Changes arrive, and memory is known, for each number of ServiceAccounts: in whole bytes, so it is not rounded."""
    assert [10, 20] == [row["serviceaccounts"] for row in report["rows"]]
    for row in report["rows"]:
        assert 2 == row["change_ms"]["count"] == row["change_ms"]["from_sending"]["count"]
        assert row["change_ms"]["from_sending"]["longest"] >= row["change_ms"]["longest"]
        assert row["changes_a_second"] > 0
        weighed = [row[name] * MIB for name in ("supervisor_mib", "snapshot_mib", "worker_mib", "worker_mib_after")]
        assert min(weighed) > 0
        assert all(size.is_integer() for size in weighed)


def check_soak(report: dict[str, Any]) -> None:
    """Nothing goes wrong in so short a time."""
    for row in report["rows"]:
        assert (0, 0, 0) == (row["not_let_in"], row["reconnects"], row["restarts"])


def check_page(page: Path) -> None:
    """The report has all sections, every plot that it shows is there, and of a set-up started here all is known."""
    text = page.read_text()
    assert "### Goals" not in text, "a tiny run judges nothing"
    plots = [line.partition("](")[2].rstrip(")") for line in text.splitlines() if line.startswith("![")]
    assert len(plots) >= 8
    assert [] == [plot for plot in plots if not (page.parent / plot).exists()]
    for heading in ("Storms", "Overload", "ServiceAccounts", "Soak", "A million clients"):
        assert f"### {heading}" in text
    _, heading, known = text.partition("### What a decision costs")
    assert heading
    assert "| - |" not in known


def check_publishing(results: dict[str, Any], page: Path) -> None:
    """What is published stands between the marks, and nothing else of the page changes, however often."""
    page.write_text(f"# Head\n\n{BEGIN}\nold\n{END}\n\n## Tried, and left out\n")
    for _ in range(2):
        publish(results, page)
        text = page.read_text()
        assert text.startswith(f"# Head\n\n{BEGIN}\n")
        assert text.endswith(f"{END}\n\n## Tried, and left out\n")
        assert "old" not in text
    assert (page.parent / "images/stages.svg").exists()
    figures = json.loads((page.parent / "performance-figures.json").read_text())
    assert set(results) - {"simulate"} == set(figures)
    assert results["load"] == figures["load"]
    assert "[performance-figures.json](performance-figures.json)" in text
    page.write_text("# Head\n")
    with pytest.raises(ValueError, match="lacks the marks"):
        publish(results, page)


CHECKS: dict[str, Callable[[Any], None]] = {
    "load": check_load,
    "storm": lambda report: check_storm(report["rows"]),
    "overload": check_overload,
    "scale": check_scale,
    "soak": check_soak,
}


def test_one_run_of_everything_adds_up(tmp_path: Path) -> None:
    """`python -m perf` measures all and writes a report; a part that is measured again is replaced, the rest stays."""
    done = attempt([sys.executable, "-m", "perf", "--tiny", "--out", str(tmp_path)], timeout=RUN_SECONDS)
    assert 0 == done.returncode, done.stderr
    assert all(f"{name}: done" in done.stderr for name in CHECKS)
    assert "s; measurements: " in done.stderr
    data, page = (Path(line) for line in done.stdout.splitlines())
    results = json.loads(data.read_text())
    for name, check in CHECKS.items():
        check(results[name])
    check_page(page)
    assert {goal.figure for goal in GOALS} & set(find_figures(results))
    check_publishing(results, tmp_path / "performance.md")
    for name in ("simulate", "soak"):
        results[name]["mark"] = "of the first run"
    data.write_text(json.dumps(results))
    same_day = datetime.fromisoformat(results["date"]).replace(tzinfo=UTC)  # even if a midnight came between
    assert 0 == main(["--tiny", f"--out={tmp_path}", "--only=simulate"], lambda: same_day)
    again = json.loads(data.read_text())
    assert ["soak"] == [name for name in ("simulate", "soak") if "mark" in again[name]]
    assert {name: part for name, part in results.items() if name != "simulate"} == {
        name: part for name, part in again.items() if name != "simulate"
    }


def test_a_deployed_set_up_is_measured_by_its_addresses(tmp_path: Path) -> None:
    """Addresses, a user and tokens are all that is known of it; its processes are not looked at."""
    tokens, login_file = tmp_path / "tokens", tmp_path / "login"

    def argue(target: Target, *more: str) -> list[str]:
        tokens.write_text("\n".join(target.tokens))
        address, login = target.addresses["nats"], target.login
        assert login is not None
        login_file.write_text(f"{login.members['user']}:{login.members['pass']}\n")
        return [f"--nats-url=nats://{address.host}:{address.port}", f"--tokens={tokens}", *more]

    async def scenario() -> None:
        async with run_local(Population(), workers=1, serviceaccounts=TOKENS, tokens=TOKENS) as local:
            await ask_straight(local)
            await connect(local)

    async def ask_straight(local: Local) -> None:
        asking = (f"--callout-account={local.target.callout_account}", f"--creds={login_file}")
        options, target = load.parse(argue(local.target, *asking, "--windows=4", "--seconds=0.2"))
        assert target is not None
        points = (await load.measure_deployed(target, options, QUIET))["points"]
        assert points[0]["answered"] == points[0]["allowed"] > 0
        assert {"generator", "others", "wall"} == set(points[0]["cpu_s"])
        assert load.render({"points": points})
        options, target = overload.parse(argue(local.target, *asking, "--factors=1", "--seconds=0.5", "--clients=5"))
        assert target is not None
        report = await overload.measure_target(target, options, QUIET)
        assert 5 == report["end_to_end"]["steps"][0]["admitted"]
        assert overload.render(report)
        options, target = soak.parse(argue(local.target, *asking, "--hours=0", "--rate=10", "--interval=0.2"))
        assert target is not None
        report = await soak.measure_target(target, options, QUIET)
        assert 1 == len(report["rows"])
        assert soak.render(report)

    async def connect(local: Local) -> None:
        places = [
            f"--{protocol}-url={protocol}://127.0.0.1:{local.target.addresses[protocol].port}"
            for protocol in PROTOCOLS[1:]
        ]
        more = ("--protocol=nats,ws,mqtt", "--at-once=3", f"--clients={TOKENS}", "--tries=2")
        options, target = storm.parse(argue(local.target, *places, *more))
        assert target is not None
        report = await storm.measure_deployed(target, options, QUIET)
        assert [TOKENS] * 6 == [row["admitted"] for row in report["rows"]]
        assert [None] * 6 == [row["service_cpu_by_server"] for row in report["rows"]]
        assert storm.render(report)
        strangers = msgspec.structs.replace(target, tokens=["a.b.c"])
        found = await storm.run_storm(strangers, "nats", TOKENS, Arrival(4))
        assert (0, TOKENS, 0.0) == (found["admitted"], found["refused"], found["rate"])

    asyncio.run(scenario())
