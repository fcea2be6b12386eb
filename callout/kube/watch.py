"""The watch of ServiceAccounts: a thread that carries out what the reflector decides.

It is a thread because a stream is read by blocking on it, and a daemon so that it cannot hold up the end of the
process. Rules kept here:

- Nothing ends the thread but `stop`: every error is kept in the state, logged when it is another than before, and
  tried again after a pause.
- `stop` does not wait for the API server: it shuts the connection down under the read that blocks on it.
- The thread is never stuck: credentials, the head of an answer and a page have a time each, and the API server was
  asked to end a stream after so many seconds.
- A sink that fails has lost changes, so everything is listed again.
"""

import asyncio
import contextlib
import random
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from callout.fetch import READ_BYTES
from callout.fetch_errors import TooMuchError, explain
from callout.kube.client import API_SERVER, KubeClient, read_body, serviceaccounts_url
from callout.kube.errors import KubeError, NoAnswerError, StatusError, purpose_of
from callout.kube.handover import Handover
from callout.kube.reflector import Batch, Limits, ListPage, Reflector, WatchStream
from callout.lines import LineBuffer, LineTooLongError
from callout.serviceaccounts import Sink
from workers.logs import Log
from workers.snapshot import SnapshotFullError

# For a thread that is connecting, waits for the head of an answer, or for the exec plugin of a kubeconfig. A stop takes
# no longer: the thread is left behind, without harm, and ends by itself.
STOP_SECONDS: Final = 3.0
MAX_NAMED: Final = 10  # ServiceAccounts in the log that cannot be read, of each page or piece of a stream


class WatchState(msgspec.Struct):
    """What the watch has come to, for readiness and metrics; written by its thread, read by anybody.

    Attributes:
        connected: the last request was answered, and its stream is being read or has ended in good order.
        restarts: requests that failed, and streams that did not end in good order.
        garbage: answers and lines that could not be read.
        skipped: objects that could not be read, or that no API server would hold.
        last_error: one line, without secrets; empty when all is well.
    """

    connected: bool = False
    restarts: int = 0
    garbage: int = 0
    skipped: int = 0
    last_error: str = ""


class ServiceAccountWatch:
    """Keeps a sink up to date with the ServiceAccounts of a cluster.

    Args:
        client: the way to the API server.
        sink: called on the loop that `start` was called on.
        annotation_prefix: which annotations are kept.
        log: where changes for the worse and for the better are written.
        namespace: the only one to watch; empty for all.
        limits: how much is asked for at once, and for how long.
        clock: monotonic seconds.
        draw: random numbers, 0 <= draw < 1.
    """

    def __init__(
        self,
        client: KubeClient,
        sink: Sink,
        annotation_prefix: str,
        log: Log,
        *,
        namespace: str = "",
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.state = WatchState()
        self._client = client
        self._sink = sink
        self._log = log
        self._namespace = namespace
        self._clock = clock
        self._draw = draw
        self._limits = limits or Limits()
        self._reflector = Reflector(annotation_prefix, self._limits)
        self._url = ""
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._stopping = threading.Event()
        self._wants_list = threading.Event()
        self._response: BaseHTTPResponse | None = None

    @property
    def connected(self) -> bool:
        """Whether what the sink holds is being kept up to date."""
        return self.state.connected

    @property
    def restarts(self) -> int:
        """How many requests failed or were cut short."""
        return self.state.restarts

    @property
    def garbage(self) -> int:
        """How many answers and lines could not be read."""
        return self.state.garbage

    @property
    def skipped(self) -> int:
        """How many objects could not be read, or that no API server would hold."""
        return self.state.skipped

    async def run(self) -> None:
        """Deliver until cancelled."""
        self.start()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await self.stop()

    def list_anew(self) -> None:
        """Deliver a full list again: nothing has changed but the sink's rules. To be called on the sink's loop."""
        self._wants_list.set()
        self._interrupt()

    def start(self) -> None:
        """Start the thread. To be called on the loop that the sink belongs to."""
        self._handover = Handover(self._sink, asyncio.get_running_loop(), self._interrupt)
        self._thread.start()

    async def stop(self) -> None:
        """End the thread; the sink is not called any more. To be called on the same loop."""
        self._stopping.set()
        self._handover.close()
        self._interrupt()
        await asyncio.to_thread(self._thread.join, STOP_SECONDS)

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._wants_list.is_set():
                self._wants_list.clear()
                self._reflector.list_anew()
            try:
                problem = self._carry_out()
            except KubeError as error:
                problem = str(error)
                self._reflector.receive_failure(error.status if isinstance(error, StatusError) else None)
            except SnapshotFullError as error:
                problem = str(error)
                self._reflector.start_over()
            except Exception as error:  # noqa: BLE001  # whatever it is, the snapshot must not grow old unnoticed
                problem = _describe_fault(error)
                self._reflector.start_over()
            if not (self._stopping.is_set() or self._wants_list.is_set()):  # what was cut short for them is no failure
                self._note(problem)
                self._stopping.wait(self._reflector.pause(self._draw()))

    def _carry_out(self) -> str:
        """Send one request and take the answer to its end; return what was wrong with it, or nothing."""
        url = serviceaccounts_url(self._client.api_server_url, self._namespace)
        if self._url and url != self._url:  # another cluster, with versions of its own
            self._reflector.list_anew()
        self._url = url
        request = self._reflector.next_request(self._draw())
        try:
            return self._list(request) if isinstance(request, ListPage) else self._watch(request)
        finally:
            response, self._response = self._response, None
            if response:
                response.close()

    def _list(self, request: ListPage) -> str:
        response = self._open("list", request.query, self._limits.answer_seconds)
        try:
            body = read_body(response, self._limits.page_bytes, self._limits.answer_seconds)
            page = self._reflector.receive_page(body)
        except TooMuchError:
            self._reflector.receive_too_much()
            return "a page of the list is too large: smaller ones are asked for"
        self._note_unreadable(page.unreadable)
        if not page.problem:
            self._handover.put_page(page)
        return page.problem

    def _watch(self, request: WatchStream) -> str:
        began = self._clock()
        allowed_seconds = request.seconds + self._limits.grace_seconds
        response = self._open("watch", request.query, allowed_seconds)
        self.state.connected = True
        lines = LineBuffer(self._limits.line_bytes)
        problem = ""
        try:
            while not problem and (data := response.read1(READ_BYTES, decode_content=False)):
                problem = self._take(self._reflector.receive_lines(lines.feed(data)))
                if self._clock() - began > allowed_seconds:
                    break  # the API server does not end it: the next watch goes on from the same place
        except LineTooLongError:
            self._reflector.receive_too_much()
            problem = "the watch sent a line that is too long"
        except (HTTPError, OSError) as error:
            self._handover.settle()
            raise NoAnswerError(str(explain(error, API_SERVER))) from None
        self._handover.settle()
        return problem or self._reflector.receive_end(self._clock() - began)

    def _open(self, verb: str, query: Mapping[str, str], silence_seconds: float) -> BaseHTTPResponse:
        response = self._client.open(
            self._url,
            purpose_of(verb, self._namespace),
            query,
            head_seconds=self._limits.answer_seconds,
            silence_seconds=silence_seconds,
        )
        self._response = response
        if self._stopping.is_set() or self._wants_list.is_set():  # who set it may have looked for a response too early
            self._interrupt()
        return response

    def _take(self, batch: Batch) -> str:
        self._note_unreadable(batch.unreadable)
        if batch.changes:
            self._handover.put_changes(batch.changes)
        elif batch.fresh:
            self._handover.touch()
        if batch.fresh:
            self._note_health()
        return batch.problem

    def _interrupt(self) -> None:
        """Let a read that blocks return at once."""
        response = self._response
        if response:
            with contextlib.suppress(RuntimeError, ValueError, OSError):  # it has just ended by itself
                response.shutdown()

    def _note(self, problem: str) -> None:
        state = self.state
        state.garbage, state.skipped = self._reflector.garbage, self._reflector.skipped
        state.connected = not problem
        if not problem:
            self._note_health()
            return
        state.restarts += 1
        if problem != state.last_error:
            state.last_error = problem
            self._log.warning("the watch of ServiceAccounts has failed and goes on", error=problem)

    def _note_unreadable(self, names: Sequence[str]) -> None:
        self.state.skipped = self._reflector.skipped
        for name in names[:MAX_NAMED]:
            self._log.warning("a ServiceAccount cannot be read and counts as gone", serviceaccount=name)

    def _note_health(self) -> None:
        if self.state.last_error and not self._reflector.failures:  # a list alone does not end a row of failures
            self.state.last_error = ""
            self._log.info("the watch of ServiceAccounts is well again")


def _describe_fault(error: Exception) -> str:
    """Say what failed and where; an exception's own text may hold anything."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} in {frames[-1].name}"
