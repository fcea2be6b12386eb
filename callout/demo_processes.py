"""The demo's child processes: started apart from the terminal, and ended whatever happens.

Rules kept here:
- Each is in a session of its own, so that Ctrl-C in a terminal reaches the demo alone, which then ends them in order.
- They write to files and never to pipes: nobody waits for a reader, and what they said last can be shown.
- They are ended by their own pid: asked first, killed when they do not leave in time.
"""

import asyncio
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

LEAVE_SECONDS: Final = 5.0  # the service grants its workers less (see callout.demo_service); nats-server needs 0.1
POLL_SECONDS: Final = 0.02  # how often a file is looked at that a child is about to write


@asynccontextmanager
async def running(
    command: Sequence[str | Path], output: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Process]:
    """Run a command inside the block.

    Args:
        command: program and arguments.
        output: the file that takes what it writes to its standard output and error.
        environment: its variables; None for our own.
    """
    with output.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=file, stderr=file, env=environment, start_new_session=True
        )
    try:
        yield process
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(LEAVE_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
