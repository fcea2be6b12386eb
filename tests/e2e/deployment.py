"""The product as its user sets it up: `callout bootstrap`, nats-server on what that made, `callout serve` beside it."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from tests.e2e.nats_cli import NatsCli
from tests.interop.bootstrapped import Server, bootstrap, read_env
from tests.interop.environments import BINARIES
from tests.service import SERVE, Service
from tests.waiting import PATIENCE_SECONDS, until_sync

T = TypeVar("T")

TAIL_LENGTH = 4000
"""Characters of the log in the message of a failure."""


class Deployment:
    """A deployment in operator mode, with its nats-server running within a `with` block.

    Args:
        tools: the folder with the nats CLI.
        folder: an existing, empty folder.
        options: of `callout bootstrap`.

    Attributes:
        nats: the CLI on that server.
        url: of the server.
    """

    def __init__(self, tools: Path, folder: Path, *options: str) -> None:
        self._tools = tools
        self._home = folder
        self._folder = folder / "setup"
        self._options = options
        self._server = Server(BINARIES[0].path, self._folder)

    def __enter__(self) -> Self:
        bootstrap(self._folder, *self._options)
        self._server.__enter__()
        self.url = self._server.url
        self.nats = NatsCli(self._tools / "nats", self.url, self._home)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()

    def creds(self, user: str) -> Path:
        """The credentials of one of the fixed users."""
        return self._folder / f"creds/{user}.creds"

    @contextlib.contextmanager
    def serve(
        self, variables: Mapping[str, str], *, command: Sequence[str] = SERVE, wait: bool = True
    ) -> Iterator[Service]:
        """Run the service; unless `wait` is false it is ready when this begins. At the end it is stopped in good order.

        Nothing but log lines may have been printed: a traceback fails the test.
        """
        own = {"NATS_URL": self.url, "HTTP_HOST": "127.0.0.1", "NATS_WORKERS": "1"}
        with Service(read_env(self._folder) | own | dict(variables), command=command) as service:
            logged(service, "http listening")
            if wait:
                logged(service, "ready")
            yield service
            if service.exit_code is None:
                assert 0 == asyncio.run(service.stop())
        assert [] == service.plain_lines
        assert [] == service.log_lines(level="error")


def logged(service: Service, event: str, **fields: object) -> dict[str, Any]:
    """Wait for a line of the service's log, and return the first such one."""
    return until_so(service, lambda: next(iter(service.log_lines(event, **fields)), None), f"{event!r} {fields or ''}")


def until_said(service: Service, event: str, words: str) -> str:
    """Wait for a line of that event whose error holds these words, and return the whole error."""

    def find() -> str | None:
        return next((line["error"] for line in service.log_lines(event) if words in line["error"]), None)

    return until_so(service, find, f"{event!r} with {words!r}")


def until_denied(service: Service, reason: str) -> None:
    """Wait until the log has a refusal for that reason; it is written a moment after the answer."""
    logged(service, "login denied", reason=reason)


def until_so(service: Service, look: Callable[[], T | None], what: str) -> T:
    """Wait until something of the service is so; the failure shows its log's end, and comes at once when it has ended.

    `look` is asked once more after the end: the last lines may have come with it.
    """

    def find() -> T | None:
        has_ended = service.exit_code is not None
        found = look()
        assert found or not has_ended, f"the service has ended with {service.exit_code}"
        return found

    try:
        return until_sync(find, PATIENCE_SECONDS, what)
    except AssertionError as error:
        raise AssertionError(f"{error}; the log ends with {service.output()[-TAIL_LENGTH:]}") from None
