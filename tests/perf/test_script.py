"""What is deployed is measured if the arguments say so, and otherwise what is started here."""

import argparse
import json
from pathlib import Path

import pytest

from perf.commandline.command import Progress, make_parser
from perf.figures.findings import Report
from perf.generator.target import Target, add_arguments
from perf.here.local import Population
from perf.script import execute_on, parse_target

DEPLOYED = "--nats-url=nats://127.0.0.1:4222"


async def measure_target(target: Target, _: argparse.Namespace, __: Progress) -> Report:
    """Say where it is."""
    return {"port": target.addresses["nats"].port}


async def measure_here(population: Population, _: argparse.Namespace, __: Progress) -> Report:
    """Say how many tokens could be had."""
    return {"tokens": len(await population.mint(2, 1))}


def parse(arguments: list[str]) -> tuple[argparse.Namespace, Target | None]:
    """Read the arguments as a script does."""
    parser = make_parser("script", "Measures.")
    add_arguments(parser, direct=False, connecting=True)
    return parse_target(parser, ["--json", "--quiet", *arguments], direct=False)


def run(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> Report:
    """Run a script, and return what it printed without what it ran on."""
    options, target = parse(arguments)
    assert 0 == execute_on(target, options, measure_target, measure_here, lambda _: [])
    printed: Report = json.loads(capfd.readouterr().out)
    assert printed.pop("machine")
    printed.pop("commit")
    return printed


def test_an_address_is_measured_there(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With the tokens that go with it."""
    tokens = tmp_path / "tokens"
    tokens.write_text("a.b.c\n")
    assert {"port": 4222} == run([DEPLOYED, f"--tokens={tokens}"], capfd)


def test_without_an_address_it_is_started_here(capfd: pytest.CaptureFixture[str]) -> None:
    """By a population of its own."""
    assert {"tokens": 2} == run([], capfd)


def test_half_an_address_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    """In one line below the usage; exit code 2."""
    with pytest.raises(SystemExit) as ended:
        parse([DEPLOYED])
    assert 2 == ended.value.code
    assert "error: --tokens has to name a file" in capfd.readouterr().err.splitlines()[-1]
