"""`callout demo`: the service against a real nats-server on this machine, and what real clients experience.

It starts a nats-server, a local issuer, and `callout serve` with two workers on the ServiceAccounts of a folder; it
shows in a table who gets in and who may do what; then it stays, for the user to try more, and tells what happens.

Rules kept here:
- Everything is in one private folder under the system's temporary one, and on free ports of the loopback address.
- Nothing is left behind: on every way out (the end, an error, Ctrl-C, SIGTERM, SIGHUP) the processes are ended first
  and the folder is removed then. A second signal does not disturb that; it takes seconds at most. If the demo is
  killed, its processes leave by themselves, and the next demo removes the folder.
"""

import argparse
import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

from callout import DISTRIBUTION
from callout.demo.clients import Clients, Surroundings
from callout.demo.config import Plan, make_plan, write_private
from callout.demo.handout import hand_out
from callout.demo.issuer import LocalIssuer
from callout.demo.processes import SignalledError, run_until_signal
from callout.demo.scenarios import CHECKOUT, SCENARIOS
from callout.demo.server import CONFIG, Server, find_binary, run_server
from callout.demo.service import Service, run_service, who_of
from callout.demo.text import Table, align, choose_paint, describe_line, invite, summarize
from callout.demo.tokens import AUDIENCE, ISSUER, Tokens
from callout.errors import EXIT_FAILED, EXIT_WRONG_USAGE, CommandError
from callout.files import reason_of
from callout.leftovers import make_locked, remove_leftovers
from callout.secret import Secret
from workers.user_jwt import Mode

EXAMPLES: Final = Path("k8s/examples/serviceaccounts")
PREFIX: Final = "nats.io/"
WORKERS: Final = 2
FOLDER_PREFIX: Final = "nats-demo-"
FOLLOW_S: Final = 0.1  # how often the log is looked at in the end


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--mode",
        type=str.lower,
        choices=[mode.value for mode in Mode],
        default=Mode.SERVER.value,
        help="where the NATS server has its accounts: in its configuration (server, the default) or in JWTs (operator)",
    )
    parser.add_argument(
        "--xkey", action="store_true", help="encrypt the requests between the NATS server and the service"
    )
    parser.add_argument("--once", action="store_true", help="end after the table: exit code 0 if all is as expected")
    parser.add_argument(
        "--serviceaccounts",
        type=Path,
        default=EXAMPLES,
        metavar="DIR",
        help=f"folder with ServiceAccounts in YAML (default: {EXAMPLES})",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if not args.serviceaccounts.is_dir():
        raise CommandError(
            f"there is no folder {args.serviceaccounts}: run this in the project's folder, or name one with "
            "--serviceaccounts",
            exit_code=EXIT_WRONG_USAGE,
        )
    demo = Demo(find_binary(), args.serviceaccounts, Mode(args.mode), sealed=args.xkey, once=args.once)
    try:
        return asyncio.run(run_until_signal(demo.run()))
    except SignalledError as stopped:
        if demo.code is None:
            return 128 + stopped.number
        if stopped.number == signal.SIGINT:  # with the others the terminal may be gone
            _print("", "Ended; nothing is left behind.")
        return demo.code


class Demo:
    """One run.

    Args:
        binary: the nats-server.
        serviceaccounts: the folder with the YAML.
        mode: where the server has its accounts.
        sealed: whether requests are encrypted.
        once: whether to end after the table.

    Attributes:
        code: the exit code, as soon as the table says which.
    """

    def __init__(self, binary: Path, serviceaccounts: Path, mode: Mode, *, sealed: bool, once: bool) -> None:
        """Start nothing yet."""
        self.code: int | None = None
        self._binary = binary
        self._serviceaccounts = serviceaccounts
        self._mode = mode
        self._sealed = sealed
        self._once = once
        self._paint = choose_paint(sys.stdout, os.environ)

    async def run(self) -> int:
        """Run to the end, which may be a cancellation; return the exit code."""
        with _private_folder() as folder:
            plan = make_plan(self._mode, folder, int(time.time()), sealed=self._sealed)
            issuer, forger = await asyncio.gather(*(asyncio.to_thread(LocalIssuer, ISSUER) for _ in range(2)))
            tokens = Tokens(issuer, forger, self._serviceaccounts, PREFIX)
            async with run_server(self._binary, plan, folder) as server:
                settings = self._make_settings(plan, server, folder, issuer)
                async with run_service(settings, folder) as service:
                    self._introduce(plan, server, service, tokens)
                    self.code = await self._show_table(plan, server, service, tokens)
                    if not self._once:
                        evidence = self._list_evidence(plan, service, folder)
                        self._invite(folder, server, service, settings, tokens, evidence)
                        await self._follow(server, service)
        return self.code

    def _make_settings(self, plan: Plan, server: Server, folder: Path, issuer: LocalIssuer) -> dict[str, str]:
        own = {
            "NATS_URL": server.url.replace("://", f"://{plan.login.reveal()}"),
            "NATS_WORKERS": str(WORKERS),
            "JWKS_PATH": write_private(folder / "jwks.json", Secret(issuer.jwks().decode())),
            "JWT_ISSUER": ISSUER,
            "JWT_AUDIENCE": AUDIENCE,
            "SA_ANNOTATION_PREFIX": PREFIX,
            "SERVICEACCOUNTS_PATH": str(self._serviceaccounts.absolute()),
            "LOG_LEVEL": "debug",
        }
        return own | plan.settings

    def _introduce(self, plan: Plan, server: Server, service: Service, tokens: Tokens) -> None:
        where = "in nats.conf" if self._mode is Mode.SERVER else "in JWTs"
        facts = (
            ("NATS server", f"{server.version} on {server.url}"),
            ("accounts", f"{', '.join(plan.accounts.values())} {where} ({self._mode} mode)"),
            ("encryption", "on, by xkey" if self._sealed else "off (make demo XKEY=1, or --xkey, turns it on)"),
            ("ServiceAccounts", f"{len(tokens.uids)} from {self._serviceaccounts}"),
            ("service", f"{WORKERS} workers, ready after {service.seconds:.1f} s"),
        )
        _print(self._paint.bold(f"{DISTRIBUTION} {version(DISTRIBUTION)}"), "", *align(facts))
        _print(*(self._paint.red(f"  {problem}") for problem in tokens.problems), "")

    async def _show_table(self, plan: Plan, server: Server, service: Service, tokens: Tokens) -> int:
        async def find_account(connection: int | None) -> str:
            found = await server.find_account(connection)
            return plan.accounts.get(found, found)

        async def find_reason(who: str) -> str:
            line = await service.log.find(lambda line: line["event"] == "login denied" and who_of(line) == who)
            return "the log does not say why" if line is None else str(line["reason"])

        table = Table.of(SCENARIOS, plan.client_account, self._paint)
        _print(table.head())
        rows = []
        surroundings = Surroundings(server.url, plan.client_account, tokens.mint, find_account, find_reason)
        async with Clients(surroundings) as clients:
            for scenario in SCENARIOS:
                rows.append(await clients.perform(scenario))
                _print(table.line(rows[-1]))
        _print("", *summarize(rows, self._paint), "")
        return 0 if all(row.ok for row in rows) else EXIT_FAILED

    def _list_evidence(self, plan: Plan, service: Service, folder: Path) -> list[str]:
        accounts = ["--accounts", str(folder / CONFIG)] if self._mode is Mode.OPERATOR else []
        return [*plan.evidence, *accounts, "--metrics-url", f"{service.url}/metrics"]

    def _invite(
        self,
        folder: Path,
        server: Server,
        service: Service,
        settings: dict[str, str],
        tokens: Tokens,
        evidence: list[str],
    ) -> None:
        dropped = [who_of(line) for line in service.said if line["event"] == "subject dropped from permissions"]
        commands = hand_out(folder, server.url, tokens, settings, [*dropped, CHECKOUT][0], evidence)
        pages = [f"{service.url}/{page}" for page in ("readyz", "health", "metrics")]
        _print(*invite(commands, pages, folder, self._serviceaccounts, self._paint), "")

    async def _follow(self, server: Server, service: Service) -> None:
        """Tell what happens, until cancelled.

        Raises:
            CommandError: the server or the service has ended by itself.
        """
        service.log.read()  # the table's own logins
        while True:
            _print(*filter(None, map(describe_line, service.log.read())))
            for process, name in ((server.process, "nats-server"), (service.process, "the service")):
                if process.returncode is not None:
                    raise CommandError(f"{name} has ended by itself, with exit code {process.returncode}")
            await asyncio.sleep(FOLLOW_S)


@contextmanager
def _private_folder() -> Iterator[Path]:
    try:
        place = Path(tempfile.gettempdir())
        remove_leftovers(place, FOLDER_PREFIX)
        folder, lock = make_locked(place, FOLDER_PREFIX)
    except OSError as error:
        raise CommandError(f"no temporary folder can be made: {reason_of(error)}; set TMPDIR to a folder") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _print(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)
