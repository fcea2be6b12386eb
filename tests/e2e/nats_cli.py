"""The nats CLI as a user runs it: on one server, with a token or credentials, and nothing of the developer's own."""

import json
import os
import threading
from pathlib import Path
from typing import Any, Self

from tests.commands import Done, attempt
from tests.waiting import PATIENCE_SECONDS, until_sync


class NatsCli:
    """Runs the nats CLI on one server.

    Args:
        binary: the program.
        url: of the server.
        home: an existing folder for its own files.
    """

    def __init__(self, binary: Path, url: str, home: Path) -> None:
        self._command = (binary, "--server", url)
        self._variables = {"PATH": os.defpath, "HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")}

    def __call__(self, who: str | Path, *words: str) -> str:
        """Run it and return what it prints; `AssertionError` with its own words if it fails."""
        done = self.attempt(who, *words)
        assert done.returncode == 0, f"nats {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def read(self, who: str | Path, *words: str) -> Any:
        """Run it with `--json`, and decode what it prints."""
        return json.loads(self(who, *words, "--json"))

    def attempt(self, who: str | Path, *words: str) -> Done:
        """Run it and return how it ended; `who` is a token, or the file of credentials."""
        login = ("--creds", who) if isinstance(who, Path) else ("--token", who)
        return attempt([*self._command, *login, *words], env=self._variables)

    def complaint(self, who: str | Path) -> str:
        """Log in and leave again; return what the CLI complains of, which is nothing if it was let in."""
        return self.attempt(who, "rtt", "1").stderr  # its exit code is 0 even then

    def lets_in(self, who: str | Path) -> bool:
        """Tell whether a login succeeds. What keeps it from being decided fails the test: a refusal is an answer."""
        complaint = self.complaint(who)
        assert not complaint or "Authorization Violation" in complaint, complaint
        return not complaint

    def until_let_in(self, who: str | Path) -> None:
        """Wait until a login succeeds."""
        until_sync(lambda: self.lets_in(who), PATIENCE_SECONDS, "the login succeeds")

    def until_refused(self, who: str | Path) -> None:
        """Wait until a login is refused."""
        until_sync(lambda: not self.lets_in(who), PATIENCE_SECONDS, "the login is refused")


class Logins:
    """Runs of the nats CLI, one after the other without a pause, as long as a `with` block lasts.

    Args:
        nats: the CLI.
        token: what they log in with.
        at_once: how many at a time.

    Attributes:
        token: what they log in with from now on; may be replaced.
        refusals: what the CLI said of those that were not let in, for whatever reason.
    """

    def __init__(self, nats: NatsCli, token: str, at_once: int = 1) -> None:
        self.token = token
        self.refusals: list[str] = []
        self._nats = nats
        self._begun = 0
        self._ended: list[int] = []
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._go_on, name="logins", daemon=True) for _ in range(at_once)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def more(self, number: int = 10) -> None:
        """Wait until so many have ended that began after this call."""
        mark = self._begun
        until_sync(lambda: sum(one >= mark for one in self._ended) >= number, PATIENCE_SECONDS, f"{number} more logins")

    def _go_on(self) -> None:
        while not self._is_over.is_set():
            with self._lock:
                number, self._begun = self._begun, self._begun + 1
            complaint = self._nats.complaint(self.token)
            if complaint:
                self.refusals.append(complaint)
            self._ended.append(number)
