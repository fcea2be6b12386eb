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
DEPLOYED = f"--nats-url=nats://a --callout-account={ACCOUNT}"
IN_A = f"{DEPLOYED} --kubeconfig=TOKENS --namespace=a"
"""A deployed cluster, all of whose arguments are good; that the kubeconfig is none shows when it is used."""

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
    ("scale", "--namespace=orders", "--namespace needs --nats-url"),
    ("scale", "--keep", "--keep needs --nats-url"),
    ("scale", "--metrics-url=http://a/metrics", "--metrics-url needs --nats-url"),
    ("scale", f"{DEPLOYED} --tokens=TOKENS", "unrecognized arguments: --tokens="),
    ("scale", f"{DEPLOYED} --kubeconfig=TOKENS", "--namespace has to name an existing namespace"),
    ("scale", f"{DEPLOYED} --kubeconfig=TOKENS --namespace=a.b", "--namespace has to name an existing namespace"),
    ("scale", f"{DEPLOYED} --namespace=a --kubeconfig=MISSING", "--kubeconfig has to name a file that exists"),
    ("scale", f"{IN_A} --annotation-prefix=/", "--annotation-prefix has to be what annotations begin with"),
    ("scale", f"{IN_A} --metrics-url=,", "--metrics-url has to be of the form http://host:port/metrics"),
    ("scale", f"{IN_A} --metrics-url=http://a/metrics,b:8080", "--metrics-url has to be of the form"),
    ("scale", f"{IN_A} --metrics-url=http://a:x/metrics", "--metrics-url has to be of the form"),
    ("scale", f"{IN_A} --metrics-url=http://me:secret@a/metrics", "--metrics-url has to be of the form"),
    ("scale", f"{IN_A} --serviceaccounts=0", "whole numbers from 1 on"),
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


def test_a_deployed_cluster_is_treated_with_care(tmp_path: Path) -> None:
    """Fewer ServiceAccounts and changes a second than for what is started here, unless more are wanted."""
    (tmp_path / "config").touch()
    words = IN_A.replace("TOKENS", str(tmp_path / "config")).split()
    options, target = scale.parse(words)
    assert target is not None
    assert ([100, 1000], 100) == (options.serviceaccounts, options.churn)
    assert ("nats", "nats.io/", ()) == (
        options.place.audience,
        options.place.annotation_prefix,
        options.place.metrics_urls,
    )
    here, _ = scale.parse([])
    assert ([1000, 10_000, 100_000, 1_000_000], 1000) == (here.serviceaccounts, here.churn)
    more, _ = scale.parse([*words, "--serviceaccounts=5", "--churn=7", "--audience=a", "--annotation-prefix="])
    assert ([5], 7) == (more.serviceaccounts, more.churn)
    assert ("a", "") == (more.place.audience, more.place.annotation_prefix)


def test_the_kubeconfig_is_that_of_kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KUBECONFIG, of which one file suffices that exists; else the one in the home folder."""
    words = f"{DEPLOYED} --namespace=a".split()
    home, other = tmp_path / ".kube/config", tmp_path / "other"
    home.parent.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with pytest.raises(SystemExit):
        scale.parse(words)
    home.touch()
    assert "~/.kube/config" == scale.parse(words)[0].place.kubeconfig
    other.touch()
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'none'}:{other}")
    assert f"{tmp_path / 'none'}:{other}" == scale.parse(words)[0].place.kubeconfig


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
