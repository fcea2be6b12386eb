"""How a measuring command ends before its time: cleaned up, with one line that says why.

Rules kept here:
- Ctrl-C, SIGTERM and SIGHUP end the work where it stands, as an error does, and those that follow leave the cleaning up
  alone. What nohup has ignored stays ignored.
- One that comes while an event loop begins or ends waits until that is done: what it raised there would leave the loop
  half made.
- After a signal the exit code is 128 and its number, as a shell has it.
- What the work has come to is printed whatever ends it, a mistake of ours too, which leaves its traceback. No signal
  disturbs that.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from callout.demo.processes import SIGNALS, SignalledError
from callout.errors import CommandError
from perf.commandline.printing import say


def end_in_order(work: Callable[[], int], print_kept: Callable[[], object] = lambda: None) -> int:
    """Do the work and return its exit code; if it does not come to its end, say why.

    Args:
        work: what ends with `CommandError`, if something is wrong, or with a signal.
        print_kept: prints what the work has come to by then.
    """
    with disregarding_signals():
        try:
            with heeding_signals():
                return work()
        except CommandError as error:
            _print(print_kept)
            _say(error)
            return error.exit_code
        except SignalledError as stopped:
            _print(print_kept)
            say(f"ended by {signal.Signals(stopped.number).name} before its time")
            return 128 + stopped.number
        except Exception:
            _print(print_kept)
            raise


def _print(kept: Callable[[], object]) -> None:
    """Print what was kept; what keeps it from being printed does not hide why the work has ended."""
    try:
        kept()
    except CommandError as error:
        _say(error)


def _say(error: CommandError) -> None:
    for line in error.lines:
        say(f"error: {line}")


@contextmanager
def heeding_signals() -> Iterator[None]:
    """Let the first signal within the block end it.

    Raises:
        SignalledError: it came.
    """
    caught: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        if not caught:
            caught.append(number)
            raise SignalledError(number)

    with _handling_signals(stop):
        yield


@contextmanager
def disregarding_signals() -> Iterator[None]:
    """Let none disturb the block, but where they are heeded within it."""
    with _handling_signals(lambda *_: None):
        yield


@contextmanager
def _handling_signals(handle: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    with keeping_handlers():
        for number in SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, handle)
        yield


@contextmanager
def holding_signals() -> Iterator[None]:
    """Let signals wait until the block ends, but for `letting_signals` within it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def letting_signals() -> Iterator[None]:
    """Let them come within the block, though they are held around it."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


@contextmanager
def keeping_handlers() -> Iterator[None]:
    """Put back at the end of the block what signals do: an event loop leaves the defaults behind."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
