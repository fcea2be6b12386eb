"""`callout demo`: the service against a real nats-server on this machine, and what real clients experience.

It starts a nats-server, a local issuer, and `callout serve` with two workers on the ServiceAccounts of a folder; it
shows in a table who gets in and who may do what; then it stays, for the user to try more, and tells what happens.

Rules kept here:
- Everything is in one private folder under the system's temporary one, and on free ports of the loopback address.
- Nothing is left behind: on every way out (the end, an error, Ctrl-C, SIGTERM, SIGHUP) the processes are ended first
  and the folder is removed then. A second signal does not disturb that; it takes seconds at most.
"""

import argparse
import asyncio
import os
import shlex
import signal
import sys
import tempfile
import time
import uuid
from importlib.metadata import version
from pathlib import Path
from typing import Final

from callout.cli import DISTRIBUTION
from callout.demo_clients import Clients, Surroundings
from callout.demo_config import Plan, make_plan, write_private
from callout.demo_scenarios import CHECKOUT, INVOICER, SCENARIOS, Flaw, LogIn, Row
from callout.demo_server import Server, find_binary, run_server
from callout.demo_service import LogLine, Service, run_service
from callout.demo_text import Paint, Table, align, describe_line
from callout.errors import EXIT_FAILED, EXIT_WRONG_USAGE, CommandError
from callout.local_issuer import LocalIssuer
from callout.manifests import derive_uid
from callout.sa_files import read_folder
from callout.secret import Secret
from workers.user_jwt import Mode

EXAMPLES: Final = "k8s/examples/serviceaccounts"
PREFIX: Final = "nats.io/"
ISSUER: Final = "https://kubernetes.default.svc.cluster.local"
AUDIENCE: Final = "nats"
WORKERS: Final = 2
HOUR: Final = 3600  # seconds: the life of a projected token, if the pod does not ask for another
DAY: Final = 24 * HOUR  # the life of the tokens that the user gets: nobody renews them as the kubelet would
FOLLOW_SECONDS: Final = 0.1  # how often the log is looked at in the end; an edit shows within FOLDER_POLL_S anyway
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CLIENT_ACCOUNT: Final = {Mode.SERVER: "APP", Mode.OPERATOR: "AUTH_ACCOUNT"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--mode",
        choices=[mode.value for mode in Mode],
        default=Mode.SERVER.value,
        help="where the NATS server has its accounts: in its configuration (server, the default), or in JWTs (operator)",
    )
    parser.add_argument("--xkey", action="store_true", help="encrypt what the NATS server and the service say")
    parser.add_argument("--once", action="store_true", help="end after the table: exit code 0 if all is as expected")
    parser.add_argument(
        "--serviceaccounts",
        type=Path,
        default=Path(EXAMPLES),
        metavar="DIR",
        help=f"folder with ServiceAccounts in YAML (default: {EXAMPLES})",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if not args.serviceaccounts.is_dir():
        raise CommandError(
            f"there is no folder {args.serviceaccounts} here: run this in the project's folder, or name one with "
            "--serviceaccounts",
            exit_code=EXIT_WRONG_USAGE,
        )
    demo = Demo(find_binary(), args.serviceaccounts, Mode(args.mode), sealed=args.xkey, once=args.once)
    return asyncio.run(_run_until_signal(demo))


async def _run_until_signal(demo: "Demo") -> int:
    caught: list[int] = []
    work = asyncio.create_task(demo.run())

    def stop(number: int) -> None:
        if not caught:
            caught.append(number)
            work.cancel()

    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # whoever started us with nohup meant it
            loop.add_signal_handler(number, stop, number)
    try:
        return await work
    except asyncio.CancelledError:
        if not caught:
            raise
        return 128 + caught[0] if demo.code is None else demo.code


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
        self._paint = _choose_paint()

    async def run(self) -> int:
        """Run to the end, which may be a cancellation; return the exit code."""
        with tempfile.TemporaryDirectory(prefix="nats-demo-") as name:
            folder = Path(name)
            plan = make_plan(self._mode, folder, int(time.time()), sealed=self._sealed)
            issuer, forger = await asyncio.gather(*(asyncio.to_thread(LocalIssuer, ISSUER) for _ in range(2)))
            async with run_server(self._binary, plan, folder) as server:
                settings = self._make_settings(plan, server, folder, issuer)
                async with run_service(settings, folder) as service:
                    tokens = _Tokens(issuer, forger, self._serviceaccounts)
                    self._introduce(plan, server, service, tokens)
                    rows = await self._show_table(plan, server, service, tokens)
                    self.code = 0 if all(row.ok for row in rows) else EXIT_FAILED
                    if not self._once:
                        self._invite(server, service, settings, tokens, folder)
                        await self._follow(server, service)
        return self.code

    def _make_settings(self, plan: Plan, server: Server, folder: Path, issuer: LocalIssuer) -> dict[str, str]:
        jwks = folder / "jwks.json"
        jwks.write_bytes(issuer.jwks())
        own = {
            "NATS_URL": server.url.replace("://", f"://{plan.login.reveal()}"),
            "NATS_WORKERS": str(WORKERS),
            "JWKS_PATH": str(jwks),
            "JWT_ISSUER": ISSUER,
            "JWT_AUDIENCE": AUDIENCE,
            "SERVICEACCOUNTS_PATH": str(self._serviceaccounts.absolute()),
            "LOG_LEVEL": "debug",
        }
        return own | plan.settings

    def _introduce(self, plan: Plan, server: Server, service: Service, tokens: "_Tokens") -> None:
        names = ", ".join(plan.accounts.values())
        where = "nats.conf" if self._mode is Mode.SERVER else "JWTs of an operator"
        _print(self._paint.bold(f"{DISTRIBUTION} {version(DISTRIBUTION)}: NATS logins for Kubernetes ServiceAccounts"))
        _print()
        facts = [
            ("NATS server", f"{server.version} on {server.url}"),
            ("accounts", f"{names} in {where} ({self._mode} mode)"),
            ("encryption", "on, by xkey" if self._sealed else "off (--xkey turns it on)"),
            ("ServiceAccounts", f"{len(tokens.uids)} from {self._serviceaccounts}"),
            ("service", f"{WORKERS} workers, ready after {service.seconds:.1f} s"),
        ]
        _print(*align(facts), *(f"  {self._paint.red('!')} {problem}" for problem in tokens.problems), "")

    async def _show_table(self, plan: Plan, server: Server, service: Service, tokens: "_Tokens") -> list[Row]:
        async def find_account(connection: int | None) -> str:
            found = await server.find_account(connection)
            return plan.accounts.get(found, found or "unknown")

        async def find_reason(who: str) -> str:
            line = await service.log.find(lambda line: line["event"] == "login denied" and _who(line) == who)
            return "for a reason that is not in the log" if line is None else str(line["reason"])

        surroundings = Surroundings(
            server.url, _CLIENT_ACCOUNT[self._mode], tokens.mint, find_account, find_reason
        )
        table = Table(self._paint, _measure(SCENARIOS))
        _print(table.head())
        rows = []
        async with Clients(surroundings) as clients:
            for scenario in SCENARIOS:
                rows.append(await clients.perform(scenario))
                _print(table.line(rows[-1]))
        good = sum(row.ok for row in rows)
        summary = f"{good} of {len(rows)} as expected."
        _print("", self._paint.green(summary) if good == len(rows) else self._paint.red(summary))
        _print('A refused client sees "Authorization Violation" and nothing else; the reasons are from the service\'s log.')
        if good < len(rows):
            _print(f"The table goes by the ServiceAccounts of {EXAMPLES} as they were delivered.")
        return rows
