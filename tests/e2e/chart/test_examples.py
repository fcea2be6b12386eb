"""The examples work as a whole, in both modes: NATS, the callout with the rights of its release, a client, NACK.

So do the plain manifests, in the place of the release; with three servers it is test_three_servers.py.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest

from tests.commands import attempt
from tests.e2e.chart.helm import RELEASE, Helm, find, read_objects
from tests.e2e.chart.rendering import variant
from tests.e2e.chart.systems import (
    CALLOUT,
    CLIENT,
    DOCTOR_SECONDS,
    NAMESPACE,
    OPERATOR_MODE,
    PAGE,
    SERVER_MODE,
    System,
    follow_page,
    read_steps,
    run_system,
)
from tests.e2e.deployment import logged
from tests.pages import ROOT, blocks

DOCTOR_PAGE: Final = ROOT / "docs/doctor.md"
EXAMPLES: Final = {
    "server-mode": SERVER_MODE,
    "operator-mode": OPERATOR_MODE,
    "without-helm": msgspec.structs.replace(SERVER_MODE, callout=()),
}


@pytest.fixture(scope="module", params=EXAMPLES)
def system(request: pytest.FixtureRequest, tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """All of it, in a cluster of its own."""
    with run_system(EXAMPLES[request.param], tools, tmp_path_factory.mktemp("system")) as running:
        yield running


def test_the_client_is_let_in_with_what_it_asks_for(system: System) -> None:
    """What its namespace and its annotation name, nothing else; requests are sealed, for plain ones are refused."""
    for subject in ("orders.created", "audit.orders"):
        system.nats(system.token(), "pub", subject, "hello")
    refused = system.nats.attempt(system.token(), "pub", "payments.created", "hello")
    assert "Permissions Violation" in refused.stderr


def test_the_ceiling_bounds_what_annotations_bring(system: System) -> None:
    """Of two subjects that it asks for, the one within the ceiling is granted."""
    words = ("annotate", "serviceaccount", CLIENT[0], "--namespace", CLIENT[1], "--overwrite")
    system.cluster.kubectl(*words, "nats.io/allowed-pub-subjects=audit.orders,audit.payments")
    logged(system.service, "subject dropped from permissions", subject="audit.payments", reason="above_ceiling")
    system.nats(system.token(), "pub", "audit.orders", "hello")
    assert "Permissions Violation" in system.nats.attempt(system.token(), "pub", "audit.payments", "hello").stderr


def test_nack_logs_in_and_may_administer_streams(system: System) -> None:
    """With its own key, without the callout; that is all it may do."""

    def run(*words: str) -> str:
        done = attempt([*system.nack, "--inbox-prefix", "_INBOX", *words])
        return done.stdout + done.stderr

    assert "Permissions Violation" not in run("stream", "add", "orders", "--subjects", "orders.>", "--defaults")
    system.nats(system.token(), "pub", "orders.created", "hello")
    assert "orders" in run("stream", "ls", "--names")
    assert "Permissions Violation" in run("pub", "orders.created", "hello")


def test_the_doctor_leaves_open_what_the_page_says(system: System) -> None:
    """With a client's token alone; with what it names besides nothing is open, and nothing wrong."""
    open_checks = {check for check, found in system.doctor().items() if found["severity"] == "unknown"}
    operator = {"account key", "allowed account", "auth users", "sentinel"} if system.is_operator_mode else set()
    assert {"responders"} | operator == open_checks
    evidence = ("--accounts", "nats-setup/jwt", "--sentinel", "nats-setup/creds/sentinel.creds") if operator else ()
    creds = "nats-setup/creds/sys.creds" if operator else "sys"
    found = system.doctor("--sys-creds", creds, *evidence)
    assert {} == {check: one for check, one in found.items() if one["severity"] not in {"ok", "notice"}}


def test_the_doctor_that_runs_regularly_is_let_in(system: System, helm: Helm) -> None:
    """With the arguments of the chart's CronJob, as its ServiceAccount, with a token for NATS: nothing is wrong."""
    path = system.home / "doctor-token"
    path.touch(mode=0o600)
    path.write_text(system.cluster.create_token(NAMESPACE, RELEASE, "--audience=nats"))
    rendered = helm.render(variant("server-mode"), "--set", "doctor.enabled=true")
    job = find(read_objects(rendered), "CronJob")["spec"]["jobTemplate"]["spec"]
    [doctor] = job["template"]["spec"]["containers"]
    words = [one.replace("/var/run/secrets/nats/token", str(path)) for one in doctor["args"]]
    done = attempt([*system.within, CALLOUT, *words], env=system.service.variables, timeout=DOCTOR_SECONDS)
    assert (0, "") == (done.returncode, done.stderr), done.stdout
    assert "publish: nats-system.>" in done.stdout


def test_the_doctor_elsewhere_leaves_nothing_open(system: System, tools: Path) -> None:
    """As its page runs it, with NATS and the pages of metrics where they are, since nothing can be forwarded here."""
    page = DOCTOR_PAGE.read_text()
    [forward] = (one.commands for one in blocks(page) if "port-forward" in one.commands)
    [ceiling] = re.findall(r"^kubectl get configmap .*\\\n.*\n", forward, re.MULTILINE)
    [run_it] = (
        one.commands
        for one in blocks(page)
        if "$metrics" in one.commands and system.is_operator_mode == ("nats-setup" in one.commands)
    )
    steps = f"metrics='--metrics-url http://127.0.0.1:{system.service.port}/metrics'\n{ceiling}{run_it}"
    steps = steps.replace("127.0.0.1:4222", system.servers[0].url.removeprefix("nats://"))
    assert "All well" in follow_page(system.cluster, tools, system.home, steps)


def test_the_administrator_may_ask_what_the_doctor_asks(system: System) -> None:
    """In server mode nothing else; in operator mode it is the user of whoever looks after the servers."""
    for page in ("", ".CONNZ", ".STATSZ", ".SUBSZ"):
        assert '"server":' in system.ask(f"$SYS.REQ.SERVER.PING{page}")
    for subject in ("$SYS.REQ.SERVER.PING.VARZ", "$SYS.REQ.SERVER.X.RELOAD", "$SYS.REQ.SERVER.X.KICK"):
        assert system.is_operator_mode != ("Permissions Violation" in system.ask(subject))


def test_the_administrator_of_server_mode_does_not_hear_of_failed_logins(system: System) -> None:
    """On 2.10 what tells of them holds clients' tokens; in operator mode the user may hear all of the servers' own."""
    words = ("--inbox-prefix", "_INBOX", "subscribe", "$SYS.SERVER.*.CLIENT.AUTH.ERR", "--wait", "1s")
    done = attempt([*system.administrator, *words])
    assert system.is_operator_mode != ("Permissions Violation" in done.stderr)


def test_the_page_lists_the_secrets_that_it_makes(system: System) -> None:
    """Each with its keys, and no other: whoever has something else make them goes by that."""
    mode = "operator" if system.is_operator_mode else "server"
    rows = re.findall(rf"^\| {mode} \| `([\w-]+)`[^|]*\| ([^|]*) \|$", PAGE.read_text(), re.MULTILINE)
    listed = {name: set(re.findall(r"`([^`]+)`", re.sub(r"\([^)]*\)", "", keys))) for name, keys in rows}
    secrets = system.cluster.kubectl.read("secrets", "--all-namespaces")["items"]
    assert listed == {one["metadata"]["name"]: set(one["data"]) for one in secrets if one["type"] == "Opaque"}


def test_the_page_replaces_no_keys(system: System, tools: Path) -> None:
    """Followed again, it stops at a file or a Secret that is there; `callout bootstrap` finds all as it is."""
    steps = read_steps(OPERATOR_MODE if system.is_operator_mode else SERVER_MODE)
    before = read_keys(system.home)
    with pytest.raises(AssertionError, match="AlreadyExists"):
        follow_page(system.cluster, tools, system.home, steps)
    assert set() != before.keys()
    assert before == read_keys(system.home)


def read_keys(home: Path) -> dict[str, bytes]:
    """What must not be replaced: seeds, and the passwords that Secrets have, too."""
    paths = (
        path for name in ("*.key", "*.nk", "password", "sys*", "url", "nats-setup/**/*.nk") for path in home.glob(name)
    )
    return {str(path): path.read_bytes() for path in paths}
