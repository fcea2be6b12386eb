"""Every script explains itself, and what cannot be measured is refused in one line before anything is started."""

import sys
from pathlib import Path

import pytest

from callout.demo.config import draw_key
from perf import load, overload, scale, simulate, soak, storm
from tests.commands import attempt
from workers.nkeys import Kind

PARSERS = {module.__name__: module.parse for module in (load, overload, scale, simulate, soak, storm)}
ACCOUNT = draw_key(Kind.ACCOUNT).public
FILES = {"TOKENS": "a.b.c", "EMPTY": "no token\n", "LOGIN": "me:secret\n", "MISSING": None}
"""What arguments name, and what stands in it; nothing of that name is there where it is None."""
ASKING = f"--creds=LOGIN --callout-account={ACCOUNT}"
DEPLOYED = f"--nats-url=nats://a {ASKING}"
IN_A = f"{DEPLOYED} --kubeconfig=TOKENS --namespace=a"
"""A deployed cluster, all of whose arguments are good; that the kubeconfig is none shows when it is used."""

BAD = [
    ("load", "--workers=0", "whole numbers from 1 on"),
    ("load", "--windows=1,x", "whole numbers from 1 on"),
    ("load", "--seconds=0", "a number from 0.1"),
    ("load", "--seconds=soon", "a number from 0.1"),
    ("load", "--tokens=TOKENS", "--tokens needs --nats-url"),
    ("load", "--workers=1,,2", "whole numbers from 1 on are wanted, separated by commas"),
    ("load", "--workers=1,1", "whole numbers from 1 on are wanted, none of them twice"),
    ("load", "--workers=300", "256 is the most of each"),
    ("load", "--replicas=257", "256 is the most of each"),
    ("load", "--first-seen=1.5", "a whole number from 1 to 100000"),
    ("load", "--serviceaccounts=0", "a whole number from 1 to 1000000"),
    ("load", DEPLOYED, "--tokens has to name a file"),
    ("load", "--nats-url=nats://a --tokens=TOKENS", "--callout-account is needed"),
    ("load", f"--nats-url=nats://a --tokens=TOKENS --callout-account={ACCOUNT}", "--creds is needed"),
    ("load", f"--nats-url=http://a --tokens=TOKENS {ASKING}", "--nats-url has to be one address"),
    ("load", f"{DEPLOYED} --tokens=EMPTY", "line 1 is none"),
    ("load", f"{DEPLOYED} --tokens=MISSING", "--tokens names a file that cannot be read: no such file"),
    ("load", f"{DEPLOYED} --tokens=TOKENS --creds=MISSING", "--creds names a file that cannot be read: no such file"),
    ("load", f"{DEPLOYED} --tokens=TOKENS --workers=1", "--workers is for a set-up that is started here"),
    ("load", f"{DEPLOYED} --tokens=TOKENS --replicas=1", "--replicas is for a set-up that is started here"),
    ("load", f"{DEPLOYED} --tokens=TOKENS --first-seen=1", "--first-seen is for a set-up that is started here"),
    ("load", f"{DEPLOYED} --tokens=TOKENS --attempts=2", "--attempts goes by what others take of this machine"),
    ("load", "--attempts=0", "a whole number from 1 to 100 is wanted"),
    ("storm", "--attempts=101", "a whole number from 1 to 100 is wanted"),
    ("soak", f"{DEPLOYED} --tokens=TOKENS --workers=1", "--workers is for a set-up that is started here"),
    ("overload", f"{DEPLOYED} --tokens=TOKENS --workers=1", "--workers is for a set-up that is started here"),
    ("overload", f"{DEPLOYED} --tokens=TOKENS --ws-url=ws://a", "unrecognized arguments: --ws-url"),
    ("overload", "--factors=1,1", "none of them twice"),
    ("storm", "--nats-url=nats://a --tokens=TOKENS --workers=1", "--workers is for a set-up that is started here"),
    ("storm", "--workers=300", "256 is the most of each"),
    ("storm", "--protocol=nats,nats", "none of them twice"),
    ("storm", "--protocol=nats,smtp", "protocols (nats, ws, mqtt) are wanted"),
    ("storm", "--tls --protocol=nats,ws", "--tls is for --protocol nats alone"),
    ("storm", "--nats-url=nats://a --tokens=TOKENS --tls", "--tls is for a set-up that is started here"),
    ("overload", f"{DEPLOYED} --tokens=TOKENS --tls", "--tls is for a set-up that is started here"),
    ("storm", "--nats-url=nats://a --tokens=TOKENS --sealed", "--sealed is for a set-up that is started here"),
    ("overload", f"{DEPLOYED} --tokens=TOKENS --sealed", "--sealed is for a set-up that is started here"),
    ("overload", "--timeouts=2,2", "none of them twice"),
    ("overload", "--timeouts=0", "a number from 0.5 to 60 is wanted"),
    ("storm", "--timeout=0", "a number from 0.5 to 60 is wanted"),
    ("storm", "--at-once=1000000", "15000 is the most of each"),
    ("storm", "--nats-url=nats://a --tokens=TOKENS --protocol=ws", "--protocol ws needs --ws-url"),
    ("storm", "--nats-url=nats://a --tokens=TOKENS --mqtt-url=ws://a", "--mqtt-url has to be one address"),
    ("storm", "--sentinel=MISSING", "--sentinel needs --nats-url"),
    ("overload", "--factors=0", "factors from 0.1 to 20"),
    ("overload", "--factors=1,nan", "factors from 0.1 to 20"),
    ("overload", "--clients=-1", "a whole number from 0"),
    ("scale", "--serviceaccounts=2000000", "--serviceaccounts is 1000000 at most"),
    ("scale", "--changes=0", "a whole number from 1 to 10000"),
    ("scale", "--namespace=orders", "--namespace needs --nats-url"),
    ("scale", "--keep", "--keep needs --nats-url"),
    ("scale", "--metrics-url=http://a/metrics", "--metrics-url needs --nats-url"),
    ("scale", f"{DEPLOYED} --tokens=TOKENS", "unrecognized arguments: --tokens="),
    ("scale", f"{DEPLOYED} --kubeconfig=TOKENS", "--namespace has to name an existing namespace"),
    ("scale", f"{DEPLOYED} --kubeconfig=TOKENS --namespace=a.b", "--namespace has to name an existing namespace"),
    ("scale", f"{DEPLOYED} --kubeconfig=TOKENS --namespace=default", "neither default nor kube-…"),
    ("scale", f"{DEPLOYED} --kubeconfig=TOKENS --namespace=kube-system", "neither default nor kube-…"),
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


def fill_in(arguments: str, folder: Path) -> list[str]:
    """Make the files, and return the arguments with their paths."""
    for name, content in FILES.items():
        if content is not None:
            (folder / name).write_text(content)
        arguments = arguments.replace(f"={name}", f"={folder / name}")
    return arguments.split()


@pytest.mark.parametrize(("script", "arguments", "complaint"), BAD)
def test_bad_arguments_are_one_line(
    script: str, arguments: str, complaint: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Below the usage, with what is wrong and what is right; exit code 2."""
    with pytest.raises(SystemExit) as ended:
        PARSERS[f"perf.{script}"](fill_in(arguments, tmp_path))
    last = capfd.readouterr().err.splitlines()[-1]
    assert 2 == ended.value.code
    assert "error: " in last
    assert complaint in last


def test_clients_come_carefully_to_a_deployed_cluster(tmp_path: Path) -> None:
    """Fewer at once, and no more than twice what can be done, unless more is wanted."""
    place = fill_in("--nats-url=nats://a --tokens=TOKENS", tmp_path)
    asking = [*place, *fill_in(ASKING, tmp_path)]
    here, there = storm.parse([])[0], storm.parse(place)[0]
    assert ([100, 400, 4000], 4000, [2]) == (here.at_once, here.clients, here.workers)
    assert ([100], 500) == (there.at_once, there.clients)
    assert [400] == storm.parse([*place, "--at-once=400"])[0].at_once
    here, there = overload.parse([])[0], overload.parse(asking)[0]
    assert (8, 10_000) == (max(here.factors), here.clients)
    assert (2, 500) == (max(there.factors), there.clients)
    assert [8] == overload.parse([*asking, "--factors=8"])[0].factors


def test_a_deployed_cluster_is_treated_with_care(tmp_path: Path) -> None:
    """Fewer ServiceAccounts and changes a second than for what is started here, unless more are wanted."""
    words = fill_in(IN_A, tmp_path)
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
    words = fill_in(f"{DEPLOYED} --namespace=a", tmp_path)
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


@pytest.mark.parametrize(
    ("script", "shown"),
    [
        ("soak", "--interval INTERVAL seconds (30); from 0.2 to 50 "),
        ("load", "--replicas N,… replicas (1,2,3); each from 1 to 256 "),
        ("simulate", "--jitter JITTER of that, at most (0.2); from 0 to 0.9 "),
    ],
)
def test_help_names_the_bounds_of_numbers(script: str, shown: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Behind what a number is for, so that nobody has to be wrong first."""
    with pytest.raises(SystemExit):
        PARSERS[f"perf.{script}"](["--help"])
    assert shown in " ".join(capfd.readouterr().out.split())


@pytest.mark.parametrize("name", PARSERS)
def test_without_arguments_a_set_up_is_started_here(name: str) -> None:
    """All defaults are within their own bounds."""
    parsed = PARSERS[name]([])
    assert not isinstance(parsed, tuple) or parsed[1] is None


@pytest.mark.parametrize("name", [*PARSERS, "perf", "perf.report", "perf.kube.churning", "perf.here.cluster"])
def test_help_is_a_page(name: str) -> None:
    """As the documentation says: `python -m perf.<name> --help`."""
    done = attempt([sys.executable, "-m", name, "--help"])
    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith(f"usage: python -m {name}")
