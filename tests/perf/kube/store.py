"""ServiceAccounts of an API server of a test's own, and a run that makes some there.

What is told to be made is there afterwards, unless a test has it otherwise.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from callout.errors import CommandError
from perf.commandline.command import Progress
from perf.kube.place import Place
from perf.kube.serviceaccounts import OwnServiceAccounts, own_serviceaccounts
from tests.perf.hostile import (
    Decide,
    Hostile,
    Reply,
    Request,
    describe_found,
    describe_page,
    make_place,
    serve,
    write_kubeconfig,
)
from tests.waiting import PATIENCE_SECONDS

Scenario = Callable[[OwnServiceAccounts], Awaitable[None]]


class Store:
    """ServiceAccounts as an API server keeps them.

    Args:
        otherwise: what is answered in place of the truth, where it is an answer.
    """

    def __init__(self, otherwise: Callable[[Request], Reply | None] = lambda _: None) -> None:
        self.found: dict[str, dict[str, Any]] = {}
        self._otherwise = otherwise
        self._made = 0

    def add(self, name: str, **metadata: Any) -> None:
        """Let there be one; every one has another uid."""
        self._made += 1
        uid = f"00000000-0000-4000-8000-{self._made:012x}"
        self.found[name] = describe_found(**{"name": name, "uid": uid, **metadata})

    def answer(self, request: Request) -> Reply:
        """Do what is asked for, and say so."""
        name = request.path.partition("?")[0].rpartition("/")[2]
        match request.method:
            case "POST" if name == "serviceaccounts":
                name = request.body["metadata"]["name"]
                self.add(**request.body["metadata"])
            case "DELETE" if self.found[name]["metadata"]["uid"] == request.body["preconditions"]["uid"]:
                del self.found[name]
        told = self._otherwise(request)
        if told is not None:
            return told
        return Reply(describe_page(*self.found.values()) if request.method == "GET" else self._describe(name))

    def _describe(self, name: str) -> bytes:
        return json.dumps(self.found.get(name, {})).encode()


def play(kubeconfig: str, scenario: Scenario, **more: Any) -> None:
    """Play a scenario with a run in the namespace; never for ever."""

    async def begin(place: Place) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS), own_serviceaccounts(place, Progress(silent=True)) as own:
            await scenario(own)

    asyncio.run(begin(make_place(kubeconfig, **more)))


@contextmanager
def at(decide: Decide, folder: Path) -> Iterator[tuple[Hostile, str]]:
    """A server, and the kubeconfig for it."""
    with serve(decide) as found:
        yield found, write_kubeconfig(folder, found.url)


async def do_nothing(_: OwnServiceAccounts) -> None:
    """Measure nothing."""


async def settle_two(own: OwnServiceAccounts) -> None:
    """Let there be two."""
    await own.settle(2)


def fail(kubeconfig: str, scenario: Scenario = do_nothing, **more: Any) -> tuple[str, ...]:
    """Play a scenario that comes to nothing; return what is said of it."""
    with pytest.raises(CommandError) as failed:
        play(kubeconfig, scenario, **more)
    return failed.value.lines


def list_deleted(found: Hostile) -> list[str]:
    """The names that were to be deleted, in their order."""
    return [request.path.rpartition("/")[2] for request in found.requests if request.method == "DELETE"]
