"""ServiceAccounts that a measurement makes in a namespace of a real cluster, changes, and deletes again.

They have names of their own and a label, so that those of a run which was killed are known to the next one, and to
`kubectl delete serviceaccounts --namespace NAME --selector nats-k8s-oidc-callout/made-by=perf.scale`.

Rules kept here:
- What has not got the label is left alone: a ServiceAccount of somebody else that has one of our names ends the run.
- What is deleted is what was seen with the label, by its uid: not what somebody has made under its name since.
- At the end, after an error or a signal too, all of them are deleted, unless they are to be kept.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

import msgspec

from callout.errors import CommandError
from callout.kube.client import serviceaccounts_url
from callout.kube.errors import Purpose
from callout.kube.objects import read_page
from perf.api_server import Answer, ApiServer, for_all
from perf.changing import Changed
from perf.command import Progress
from perf.place import Place

SELECTOR: Final = "nats-k8s-oidc-callout/made-by=perf.scale"
TOKEN_S: Final = 3600  # how long tokens live: longer than anything takes that is measured with them
PAGE: Final = 500  # ServiceAccounts in a page of a list
SAID_ABOUT: Final = 1000  # after so many of them progress is shown
_ANNOTATION: Final = "allowed-pub-subjects"
_REMEDY: Final = (
    'it takes a Role with the rules apiGroups: [""], resources: ["serviceaccounts"], verbs: ["list", "create", "patch",'
    ' "delete"] and resources: ["serviceaccounts/token"], verbs: ["create"]'
)


class _Status(msgspec.Struct):
    token: str


class _TokenRequest(msgspec.Struct):
    status: _Status


class OwnServiceAccounts:
    """Those of this run.

    Attributes:
        count: how many there are to be.
        may_be_there: whether there is something to clean up: not before the API server has answered once.
    """

    def __init__(self, server: ApiServer, place: Place, progress: Progress) -> None:
        """Take where they are to be."""
        self._server = server
        self._place = place
        self._progress = progress
        self._path = serviceaccounts_url("", place.namespace)
        self.count = 0
        self.may_be_there = False

    async def settle(self, number: int) -> float | None:
        """Make those that are missing and delete those that are too many.

        Returns: when the API server had answered for the last one made (CLOCK_MONOTONIC); None if none was missing.
        """
        wanted = {name_of(position) for position in range(number)}
        found = await self._list()
        self.count, self.may_be_there = number, True
        await self._go_through("deleted", found.keys() - wanted, lambda name: self._delete(name, found[name]))
        missing = sorted(wanted - found.keys(), key=lambda name: (len(name), name))
        if not missing:
            return None
        *others, last = missing
        await self._go_through("made", others, self._make)
        return (await self._make(last)).answered_at

    async def mint(self, position: int) -> str:
        """Have a token made for one of them."""
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [self._place.audience], "expirationSeconds": TOKEN_S},
        }
        path = f"{self._path}/{name_of(position)}/token"
        answer = await self._server.send("POST", path, self._purpose("make tokens of ServiceAccounts"), body)
        return msgspec.json.decode(answer.body, type=_TokenRequest).status.token

    async def mint_all(self, number: int) -> list[str]:
        """Have a token made for each of the first ones."""
        tokens = [""] * number

        async def mint(position: int) -> None:
            tokens[position] = await self.mint(position)

        await for_all(range(number), mint)
        return tokens

    async def change(self, position: int, value: str) -> Changed:
        """Let one of them publish to one more subject: one of its namespace, which no ceiling keeps from it."""
        subject = f"{self._place.namespace}.perf.{value}"
        body = {"metadata": {"annotations": self._annotate(subject)}}
        answer = await self._server.send(
            "PATCH", f"{self._path}/{name_of(position)}", self._purpose("change ServiceAccounts"), body
        )
        return Changed(subject, answer.sent_at, answer.answered_at)

    async def _list(self) -> dict[str, str]:
        """Return the uids of those that are there, by name."""
        found: dict[str, str] = {}
        query = {"labelSelector": SELECTOR, "limit": str(PAGE)}
        while True:
            answer = await self._server.send(
                "GET", f"{self._path}?{urlencode(query)}", self._purpose("list ServiceAccounts")
            )
            page = read_page(answer.body)
            if page is None:
                raise CommandError("the API server's list of ServiceAccounts cannot be read")
            found |= {item.metadata.name: item.metadata.uid for item in page.items or ()}
            if not page.metadata.next_page:
                return found
            query["continue"] = page.metadata.next_page

    async def _make(self, name: str) -> Answer:
        key, _, value = SELECTOR.partition("=")
        annotations = self._annotate(f"{self._place.namespace}.events.>")
        body = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "labels": {key: value}, "annotations": annotations},
        }
        also = {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}
        answer = await self._server.send("POST", self._path, self._purpose("make ServiceAccounts"), body, also=also)
        if answer.status == HTTPStatus.NOT_FOUND:
            raise CommandError(f"there is no namespace {self._place.namespace}: make it, or name another")
        if answer.status == HTTPStatus.CONFLICT:
            raise CommandError(
                f"the ServiceAccount {name} of namespace {self._place.namespace} lacks the label {SELECTOR}, so it is"
                " somebody else's: name another namespace"
            )
        return answer

    async def _delete(self, name: str, uid: str) -> None:
        body = {"preconditions": {"uid": uid}}
        gone = {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}
        await self._server.send(
            "DELETE", f"{self._path}/{name}", self._purpose("delete ServiceAccounts"), body, also=gone
        )

    async def _go_through(self, deed: str, names: Iterable[str], do: Callable[[str], Awaitable[object]]) -> None:
        waiting = list(names)
        done = 0

        async def go(name: str) -> None:
            nonlocal done
            await do(name)
            done += 1
            if done % SAID_ABOUT == 0:
                self._progress.say(f"scale: {done:,} of {len(waiting):,} ServiceAccounts {deed}")

        await for_all(waiting, go)

    def _annotate(self, subject: str) -> dict[str, str]:
        return {f"{self._place.annotation_prefix}{_ANNOTATION}": subject}

    def _purpose(self, action: str) -> Purpose:
        return Purpose(f"{action} in namespace {self._place.namespace}", _REMEDY)


def name_of(position: int) -> str:
    """Return what one of them is called."""
    return f"perf-scale-{position}"


@asynccontextmanager
async def own_serviceaccounts(place: Place, progress: Progress) -> AsyncIterator[OwnServiceAccounts]:
    """Give access to them inside the block; at its end they are deleted, unless they are to be kept.

    Raises:
        CommandError: the API server refuses something, or does not answer.
    """
    async with ApiServer(place.kubeconfig) as server:
        own = OwnServiceAccounts(server, place, progress)
        problems: tuple[str, ...] = ()
        try:
            yield own
        except CommandError as error:
            problems = error.lines
            raise
        finally:
            if own.may_be_there and not place.keep:
                progress.say("scale: deleting what was made")
                try:
                    await own.settle(0)
                except CommandError as error:
                    lines = dict.fromkeys((*problems, *error.lines))  # both may say the same
                    command = f"kubectl delete serviceaccounts --namespace {place.namespace} --selector {SELECTOR}"
                    raise CommandError(*lines, f"ServiceAccounts are left behind; delete them: {command}") from None
