"""The key set kept fresh: read again and again, published when it has changed; the last good one stays in force.

Rules kept here:
- A read runs in a thread and is never on the path of a login. A token with an unknown `kid` only asks for one, which
  happens every `ASK_INTERVAL_S` at most.
- There is one read at a time, and it ends by itself (`callout.keys.reader`), so threads do not pile up.
- What cannot be read changes nothing, nor does a document without a key that can be used: the last good set stays. The
  log says so once for each problem, and says when it is over.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from typing import Final

import msgspec

from callout.daemon import call_in_daemon
from callout.files import POLL_S
from callout.keys.reader import FoundKeys, KeyReader, KeySetError
from callout.keys.rules import ASK_INTERVAL_S, lifetime, next_refresh
from workers.logs import Log
from workers.snapshot import SnapshotFullError

NOT_YET: Final = "there is no key set yet, so nobody is let in; trying again"
NOT_REFRESHED: Final = "the key set cannot be refreshed; the last one stays in force"

Publish = Callable[[FoundKeys], None]
"""Puts a key set in force."""


class KeySourceState(msgspec.Struct):
    """What the source has come to, for readiness and metrics.

    Attributes:
        fetched_at: when the published set was last seen to be the current one, in seconds of the clock; None before.
        max_age: how many seconds the answer said it stays fresh.
        failures: attempts in a row that gave no key set.
        last_error: one line, without secrets; empty when all is well.
    """

    fetched_at: float | None = None
    max_age: float | None = None
    failures: int = 0
    last_error: str = ""


class KeySource:
    """Publishes the key set, and publishes it again when it or the issuer has changed.

    Args:
        reader: gets the key set and the issuers.
        publish: called on the loop.
        log: where changes for the worse and for the better are written.
        clock: monotonic seconds.
        draw: random numbers, 0 <= draw < 1.
    """

    def __init__(
        self,
        reader: KeyReader,
        publish: Publish,
        log: Log,
        *,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.state = KeySourceState()
        self._reader = reader
        self._publish = publish
        self._log = log
        self._clock = clock
        self._draw = draw
        self._asked = asyncio.Event()
        self._published: tuple[bytes, tuple[str, ...]] | None = None  # document and issuers

    @property
    def age(self) -> float | None:
        """Seconds since the key set in force was last seen to be the current one; None if there is none yet."""
        return None if self.state.fetched_at is None else self._clock() - self.state.fetched_at

    @property
    def lifetime(self) -> float | None:
        """Seconds for which the key set in force counts as fresh; None if there is none yet."""
        return None if self.state.fetched_at is None else lifetime(self.state.max_age)

    def ask(self) -> None:
        """Ask for a refresh: a token named a key that is not there. Returns at once; to be called on the loop."""
        self._asked.set()

    async def run(self) -> None:
        """Look for the key set until cancelled."""
        while True:
            tried_at = self._clock()
            self._asked.clear()
            await self._refresh()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds_to_wait()):
                    await self._asked.wait()
                    await asyncio.sleep(ASK_INTERVAL_S - (self._clock() - tried_at))

    def _seconds_to_wait(self) -> float:
        if self._reader.is_file:
            return POLL_S
        return next_refresh(self.state.max_age, self.state.failures, self._draw())

    async def _refresh(self) -> None:
        state = self.state
        try:
            found = await call_in_daemon(self._reader.read, "key set")
            state.max_age = found.max_age
            if (found.document, found.issuers) != self._published:
                self._publish(found)
        except (KeySetError, SnapshotFullError) as error:  # their text is made for the operator
            self._note_failure(str(error))
        except Exception as error:  # noqa: BLE001  # a fault of ours or of `publish`: the last good set stays as well
            self._note_failure(f"{type(error).__name__} while the key set was refreshed")
        else:
            self._published = found.document, found.issuers
            state.failures, state.fetched_at = 0, self._clock()
            if state.last_error:
                state.last_error = ""
                self._log.info("the key set can be refreshed again")

    def _note_failure(self, problem: str) -> None:
        self.state.failures += 1
        if problem != self.state.last_error:
            self.state.last_error = problem
            self._log.warning(NOT_REFRESHED if self._published else NOT_YET, error=problem)
