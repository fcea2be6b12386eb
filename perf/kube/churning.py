"""Changes of ServiceAccounts of a real cluster: one that is waited for, or so many a second meanwhile.

The many are made by a process of its own, `python -m perf.kube.churning FILE`, so that what they cost is not taken for
the generator's. It writes a line when the first is committed, and one when it is told to end, with how many there were.

Rules kept here:
- Each change has its time. What is late is made up for as far as the API server lets it; what was reached is said. The
  time is until the last change that counts: what is still under way at the end is waited for, and no part of the rate.
- What is to be changed stands in a private file, with the uids: what was made since under the same names is left alone.
"""

import argparse
import asyncio
import itertools
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Self, TypeVar

import msgspec
import uvloop

from callout.demo.processes import POLL_S, SignalledError, run_until_signal, running
from callout.errors import CommandError
from perf.commandline.command import Progress
from perf.commandline.shared_memory import make_folder
from perf.generator.target import Groups
from perf.kube.api_server import ANSWER_S, ApiServer, for_all
from perf.kube.changing import Changed
from perf.kube.place import Place
from perf.kube.serviceaccounts import OwnServiceAccounts

T = TypeVar("T")

CHANGER: Final = "changer"  # the process, beside those of `perf.generator.target`
BEGIN_S: Final = 60.0  # an exec plugin of a kubeconfig may take some seconds
LEAVE_S: Final = ANSWER_S + 5  # what was sent is waited for
BEGUN: Final = "begun"


class Order(msgspec.Struct, frozen=True):
    """What to change: the ServiceAccounts of a place with these uids, from the last on, `rate` a second."""

    place: Place
    uids: list[str]
    rate: int

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what somebody has written.

        Raises:
            CommandError: there is no such file, or no order in it.
        """
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError):
            raise CommandError(f"{path} is no order to change ServiceAccounts") from None


class Churned(msgspec.Struct, frozen=True):
    """How many changes were committed, and how many seconds after the beginning the last of them was."""

    changes: int
    seconds: float

    @property
    def rate(self) -> float:
        """Changes a second; 0 if there were none."""
        return self.changes / self.seconds if self.seconds else 0.0

    @classmethod
    def read(cls, output: Path) -> Self:
        """Read what the process has written, which has ended.

        Raises:
            CommandError: it ended for a reason of its own, which it says.
        """
        last = (_read(output) or ["it says nothing"])[-1]
        try:
            return msgspec.json.decode(last, type=cls)
        except msgspec.DecodeError:
            raise CommandError(f"the process that changes ServiceAccounts has failed: {last}") from None


class RealChanger:
    """Changes ServiceAccounts of a real cluster; a `perf.kube.changing.Changer`."""

    def __init__(self, own: OwnServiceAccounts, place: Place) -> None:
        """Take which."""
        self._own = own
        self._place = place
        self._processes: Groups = {}

    def find_processes(self) -> Groups:
        """Return what runs here meanwhile, by what it is called."""
        return self._processes

    async def change(self, value: str) -> Changed:
        """Let the first of them publish to one more subject."""
        return await self._own.change(0, value)

    async def churn_while(self, rate: int, work: Callable[[], Awaitable[T]]) -> tuple[T, float]:
        """Change so many a second while work is done; return also how many a second really were changed."""
        with make_folder() as directory:
            order = Path(directory) / "order.json"
            order.write_bytes(msgspec.json.encode(Order(self._place, self._own.uids, rate)))
            output = Path(directory) / "churning.log"
            command = [sys.executable, "-m", "perf.kube.churning", str(order)]
            async with running(command, output, leave_seconds=LEAVE_S) as process:
                await _wait_until_begun(process, output)
                self._processes = {CHANGER: [process.pid]}
                try:
                    done = await work()
                except CommandError:
                    if _read(output) != [BEGUN]:
                        Churned.read(output)  # it has ended itself, and has said why
                    raise
                finally:
                    self._processes = {}
            return done, Churned.read(output).rate


async def churn(order: Order) -> int:
    """Change until this is cancelled; say when it has begun, and how much there was of it."""
    async with ApiServer(order.place.kubeconfig) as server:
        own = OwnServiceAccounts(server, order.place, Progress(silent=True), order.uids)
        count = len(order.uids)
        await own.change(count - 1, "churn.0")
        _say(BEGUN)
        began = ended = time.monotonic()
        changes = 0

        async def change(number: int) -> None:
            nonlocal changes, ended
            await asyncio.sleep(max(began + number / order.rate - time.monotonic(), 0))
            await own.change(count - 1 - number % count, f"churn.{number}")
            changes += 1
            ended = time.monotonic()

        try:
            await for_all(itertools.count(1), change)
        finally:
            _say(msgspec.json.encode(Churned(changes, ended - began)).decode())
    return 0


def main() -> int:
    """Do what the order says."""
    parser = argparse.ArgumentParser(
        prog="python -m perf.kube.churning", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("order", type=Path, metavar="FILE", help="what to change; `perf.scale` writes it")
    options = parser.parse_args()
    try:
        return uvloop.run(run_until_signal(churn(Order.read(options.order))))
    except CommandError as error:
        _say(" ".join(error.lines))
        return error.exit_code
    except SignalledError:
        return 0


async def _wait_until_begun(process: Process, output: Path) -> None:
    end = time.monotonic() + BEGIN_S
    while BEGUN not in _read(output)[:1]:
        if process.returncode is not None:
            Churned.read(output)
        if process.returncode is not None or time.monotonic() > end:
            raise CommandError("the process that changes ServiceAccounts does not begin")
        await asyncio.sleep(POLL_S)


def _read(output: Path) -> list[str]:
    return output.read_text(errors="replace").splitlines()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
