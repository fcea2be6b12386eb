"""Every script explains itself, and what cannot be measured is refused in one line before anything is started."""

import subprocess
import sys
from pathlib import Path

import pytest

from perf import load, overload, scale, simulate, soak, storm
from perf.inputs import make_key
from workers.nkeys import Kind

ROOT = Path(__file__).parents[2]
PARSERS = {module.__name__: module.parse for module in (load, overload, scale, simulate, soak, storm)}
ACCOUNT = make_key(Kind.ACCOUNT).public
TOKEN = "a.b.c"

BAD = [
    ("load", "--workers=0", "whole numbers from 1 on"),
    ("load", "--windows=1,x", "whole numbers from 1 on"),
    ("load", "--seconds=0", "a number from 0.1"),
    ("load", "--seconds=soon", "a number from 0.1"),
    ("load", "--tokens=TOKENS", "--tokens needs --nats-url"),
    ("load", f"--nats-url=nats://a --callout-account={ACCOUNT}", "--tokens has to name a file"),
    ("load", "--nats-url=nats://a --tokens=TOKENS", "--callout-account has to be"),
    ("load", f"--nats-url=http://a --tokens=TOKENS --callout-account={ACCOUNT}", "--nats-url"),
    ("load", f"--nats-url=nats://a --tokens=EMPTY --callout-account={ACCOUNT}", "does not hold tokens"),
    ("load", f"--nats-url=nats://a --tokens=MISSING --callout-account={ACCOUNT}", "--tokens cannot be read"),
    ("load", f"--nats-url=nats://a --creds=MISSING --tokens=TOKENS --callout-account={ACCOUNT}", "cannot be read"),
    ("storm", "--protocol=nats,smtp", "protocols are nats, ws, mqtt"),
    ("storm", "--at-once=1000000", "--at-once is 15000 at most"),
    ("storm", "--nats-url=nats://a --tokens=TOKENS --protocol=ws", "--protocol ws needs --ws-url"),
    ("storm", "--nats-url=nats://a --tokens=TOKENS --mqtt-url=ws://a", "--mqtt-url cannot be used"),
    ("storm", "--sentinel=MISSING", "--sentinel needs --nats-url"),
    ("overload", "--factors=0", "factors from 0.1 to 20"),
    ("overload", "--factors=1,nan", "factors from 0.1 to 20"),
    ("overload", "--clients=-1", "a number from 0"),
    ("scale", "--serviceaccounts=2000000", "--serviceaccounts is 1000000 at most"),
    ("scale", "--changes=0", "a number from 1"),
    ("soak", "--hours=nan", "a number from 0"),
    ("soak", "--interval=3600", "a number from 0.2"),
    ("simulate", "--jitter=1", "a number from 0 to 0.9"),
]


@pytest.mark.parametrize(("script", "arguments", "complaint"), BAD)
def test_bad_arguments_are_one_line(
    script: str, arguments: str, complaint: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Below the usage, with what is wrong and what is right; exit code 2."""
    for name, content in (("TOKENS", TOKEN), ("EMPTY", "no token\n")):
        (tmp_path / name).write_text(content)
        arguments = arguments.replace(name, str(tmp_path / name))
    with pytest.raises(SystemExit) as ended:
        PARSERS[f"perf.{script}"](arguments.replace("=MISSING", f"={tmp_path / 'missing'}").split())
    last = capfd.readouterr().err.splitlines()[-1]
    assert 2 == ended.value.code
    assert "error: " in last
    assert complaint in last


@pytest.mark.parametrize("name", PARSERS)
def test_without_arguments_a_set_up_is_started_here(name: str) -> None:
    """All defaults are within their own bounds."""
    parsed = PARSERS[name]([])
    assert not isinstance(parsed, tuple) or parsed[1] is None


@pytest.mark.parametrize("name", [*PARSERS, "perf", "perf.report"])
def test_help_is_a_page(name: str) -> None:
    """As the documentation says: `python -m perf.<name> --help`."""
    done = subprocess.run([sys.executable, "-m", name, "--help"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith(f"usage: python -m {name}")


def test_a_measurement_that_there_is_none_of_is_refused() -> None:
    """`python -m perf --only` knows its names."""
    done = subprocess.run(
        [sys.executable, "-m", "perf", "--only=everything"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (2, "") == (done.returncode, done.stdout)
    assert "measurements are ladder, load, storm" in done.stderr.splitlines()[-1]


def test_make_perf_measures_everything() -> None:
    """No argument narrows it."""
    command = ["make", "--no-print-directory", "--dry-run", "--old-file=.venv/.set-up", "perf"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (0, ".venv/bin/python -m perf\n") == (done.returncode, done.stdout)
