"""The demo's child processes: started apart from the terminal, and ended whatever happens, signals among it.

Rules kept here:
- Each is in a session of its own, so that Ctrl-C in a terminal reaches the demo alone, which then ends them in order.
- They write to files and never to pipes: nobody waits for a reader, and what they said last can be shown.
- They are ended by their own pid: asked first, killed when they do not leave in time.
- Should the demo itself be killed, Linux asks them to leave in its place (prctl(2), PR_SET_PDEATHSIG).
"""

import asyncio
import ctypes
import os
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from callout.children import send_signal
from callout.errors import CommandError
from callout.files import reason_of

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LEAVE_S: Final = 5.0  # the service grants its workers less (see callout.demo.service); nats-server needs 0.1
POLL_S: Final = 0.02  # how often a file is looked at that a child is about to write

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_SIGTERM: Final = ctypes.c_ulong(signal.SIGTERM)
_prctl: Final = getattr(ctypes.CDLL(None), "prctl", None)  # other systems have none; looked up before any fork


class SignalledError(Exception):
    """A signal has ended the work; `number` says which."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


async def run_until_signal(work: Coroutine[None, None, int]) -> int:
    """Do the work; the first signal cancels it, and those after that one leave it alone to clean up.

    Raises:
        SignalledError: it was cancelled, and is done with cleaning up.
    """
    caught: list[int] = []
    task = asyncio.create_task(work)

    def stop(number: int) -> None:
        if not caught:
            caught.append(number)
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup is to be heeded
            loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not caught:
            raise
        raise SignalledError(caught[0]) from None


@asynccontextmanager
async def running(
    command: Sequence[str | Path],
    output: Path,
    environment: Mapping[str, str] | None = None,
    leave_seconds: float = LEAVE_S,
) -> AsyncIterator[Process]:
    """Run a command inside the block.

    Args:
        command: program and arguments.
        output: the file that takes what it writes to its standard output and error.
        environment: its variables; None for our own.
        leave_seconds: how long it may take to end when it is asked to.

    Raises:
        CommandError: there is no such program, or it cannot be run.
    """
    try:
        with output.open("ab") as file:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=DEVNULL,
                stdout=file,
                stderr=file,
                env=environment,
                start_new_session=True,
                preexec_fn=_follow(os.getpid()),
            )
    except OSError as error:
        raise CommandError(f"{command[0]} cannot be started: {reason_of(error)}") from None
    try:
        yield process
    finally:
        await _end(process, leave_seconds)


def _follow(parent: int) -> Callable[[], None]:
    """Return what a child does before it becomes its program, so that it does not outlive the demo."""

    def follow() -> None:
        # After a fork beside other threads only what needs no lock is safe: one call of C, and two of the system.
        if _prctl is not None:
            _prctl(_PR_SET_PDEATHSIG, _SIGTERM)
            if os.getppid() != parent:  # it was killed meanwhile, and no signal will come
                os._exit(1)

    return follow


async def _end(process: Process, leave_seconds: float) -> None:
    send_signal(process, signal.SIGTERM)
    try:
        async with asyncio.timeout(leave_seconds):
            await process.wait()
    except TimeoutError:
        send_signal(process, signal.SIGKILL)
        await process.wait()
