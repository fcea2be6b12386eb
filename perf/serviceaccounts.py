"""ServiceAccounts that a measurement makes in a namespace of a real cluster, changes, and deletes again.

Rules kept here:
- The namespace is their own: one that holds others besides the usual `default` is refused before anything is made.
- One run at a time: a marker is made first and deleted last, and who meets that of another makes nothing.
- What is changed, deleted or given a token is what was made, or was met with all marks (`perf.marks`) as the run began,
  by its uid: not what somebody has made under its name since, and not what has got the marks since.
- At the end, after an error or a signal too, all of them are deleted, unless they are to be kept; within bounds.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from callout.errors import CommandError
from callout.kube.client import serviceaccounts_url
from callout.kube.errors import Purpose
from perf.api_server import Answer, ApiServer, for_all
from perf.changing import Changed
from perf.command import Progress
from perf.marks import (
    MARKER,
    MAX_NUMBER,
    SELECTOR,
    USUAL,
    Found,
    describe,
    name_of,
    read_made,
    read_page,
    read_token,
)
from perf.place import Place

TOKEN_S: Final = 3600  # how long tokens live: longer than anything takes that is measured with them
PAGE: Final = 500  # ServiceAccounts in a page of a list
MAX_PAGES: Final = MAX_NUMBER // PAGE + 10
LIST_S: Final = 600.0  # for all pages; a million ServiceAccounts take some minutes
CLEAN_UP_S: Final = 180.0  # for the cleaning up, and
DELETE_S: Final = 0.02  # for each that is deleted; it takes a tenth of that
SAID_ABOUT: Final = 1000  # after so many of them progress is shown
_ANNOTATION: Final = "allowed-pub-subjects"
_REMEDY: Final = (
    'it takes a Role with the rules apiGroups: [""], resources: ["serviceaccounts"], verbs: ["list", "create", "patch",'
    ' "delete"] and resources: ["serviceaccounts/token"], verbs: ["create"]'
)
_GONE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT})
_NOT_THE_SAME: Final = _GONE | {HTTPStatus.UNPROCESSABLE_ENTITY}  # what the API server says to a patch with another uid


class OwnServiceAccounts:
    """Those of this run.

    Args:
        server: the API server.
        place: where they are to be.
        progress: is told of what takes long.
        uids: of those that are there already, in the order of their numbers.

    Attributes:
        may_be_there: whether there is something to clean up.
    """

    def __init__(self, server: ApiServer, place: Place, progress: Progress, uids: Sequence[str] = ()) -> None:
        self._server = server
        self._place = place
        self._progress = progress
        self._path = serviceaccounts_url("", place.namespace)
        self._run = secrets.token_hex(16)
        self._marker = ""  # its uid, once it is made
        self._uids = dict(enumerate(uids))
        self._unanswered: set[str] = set()  # names of what may have been made
        self.may_be_there = False

    @property
    def uids(self) -> list[str]:
        """Their uids, in the order of their numbers, which are those from 0 on."""
        return [self._uids[position] for position in range(len(self._uids))]

    async def begin(self) -> None:
        """See that the namespace is free, keep others out, and take over what an earlier run has left.

        Raises:
            CommandError: it is not free, or there is none; nothing was made then, or it is to be cleaned up.
        """
        self._check(await self._list())
        self.may_be_there = True
        self._marker, _ = await self._make(MARKER)
        found = await self._list()
        self._check(found)
        self._uids = {one.position: one.uid for one in found if one.position is not None}

    async def settle(self, number: int) -> float | None:
        """Make those that are missing and delete those that are too many.

        Returns: when the API server had answered for the last one made (CLOCK_MONOTONIC); None if none was missing.
        """
        await self._delete_all([position for position in self._uids if position >= number])
        missing = [position for position in range(number) if position not in self._uids]
        if not missing:
            return None
        *others, last = missing
        await self._go_through("made", others, self._make_one)
        return (await self._make_one(last)).answered_at

    async def mint(self, position: int) -> str:
        """Have a token made for one of them."""
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {"uid": self._uids[position]},
            "spec": {"audiences": [self._place.audience], "expirationSeconds": TOKEN_S},
        }
        answer = await self._send_to(position, "POST", "/token", "make tokens of ServiceAccounts", body)
        try:
            return read_token(answer.body, self._uids[position])
        except ValueError:
            raise CommandError(
                f"what the API server sends for {name_of(position)} is no token of that ServiceAccount"
            ) from None

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
        body = {"metadata": {"uid": self._uids[position], "annotations": self._annotate(subject)}}
        answer = await self._send_to(position, "PATCH", "", "change ServiceAccounts", body)
        return Changed(subject, answer.sent_at, answer.answered_at)

    async def clean_up(self) -> None:
        """Delete what is ours, unless it is to be kept, and the marker.

        Raises:
            CommandError: some may be there still.
        """
        try:
            async with asyncio.timeout(CLEAN_UP_S + DELETE_S * len(self._uids)):
                if not self._place.keep:
                    await self._delete_all(list(self._uids))
                await self._delete_unanswered()
                if self._marker:
                    await self._delete(MARKER, self._marker)
        except TimeoutError:
            raise CommandError("the API server takes too long over the cleaning up") from None

    async def _list(self) -> list[Found]:
        """Return all that are in the namespace."""
        found: list[Found] = []
        query = {"limit": str(PAGE)}
        try:
            async with asyncio.timeout(LIST_S):
                for _ in range(MAX_PAGES):
                    purpose = self._purpose("list ServiceAccounts")
                    answer = await self._server.send("GET", f"{self._path}?{urlencode(query)}", purpose)
                    page, following = read_page(answer.body, self._place.namespace)
                    found += page
                    if not following:
                        return found
                    query["continue"] = following
        except ValueError:
            raise CommandError("the API server's list of ServiceAccounts cannot be read") from None
        except TimeoutError:
            pass
        raise CommandError(f"the list of the ServiceAccounts of namespace {self._place.namespace} does not end")

    def _check(self, found: Iterable[Found]) -> None:
        """See that all of them are ours, and no other run is under way."""
        namespace = self._place.namespace
        for one in found:
            if one.name == MARKER and one.run and one.run != self._run:
                raise CommandError(
                    f"another run is under way in namespace {namespace}, or was killed there; if none is, let it be"
                    f" forgotten: kubectl delete serviceaccount {MARKER} --namespace {namespace}"
                )
            if not one.run and one.name != USUAL:
                raise CommandError(
                    f"the ServiceAccount {one.name} of namespace {namespace} is somebody else's: name a namespace that"
                    " holds no others"
                )

    async def _make_one(self, position: int) -> Answer:
        self._uids[position], answer = await self._make(name_of(position))
        return answer

    async def _make(self, name: str) -> tuple[str, Answer]:
        """Make one; return its uid and the whole answer."""
        namespace = self._place.namespace
        annotations = self._annotate(f"{namespace}.events.>")
        purpose = self._purpose("make ServiceAccounts")
        self._unanswered.add(name)
        answer = await self._server.send(
            "POST", self._path, purpose, describe(name, self._run, annotations), also=_GONE
        )
        self._unanswered.discard(name)
        if answer.status == HTTPStatus.NOT_FOUND:
            raise CommandError(f"there is no namespace {namespace}: make it, or name another")
        if answer.status == HTTPStatus.CONFLICT:
            raise CommandError(f"somebody else makes ServiceAccounts in namespace {namespace}: {name} is there already")
        try:
            return read_made(answer.body, namespace, name), answer
        except ValueError:
            self._unanswered.add(name)
            raise CommandError("what the API server says of the ServiceAccount that was made cannot be read") from None

    async def _delete_unanswered(self) -> None:
        """Look for what was made though its answer did not come: it has our names, and the stamp of this run."""
        if self._unanswered:
            for one in await self._list():
                may_go = one.name == MARKER or not self._place.keep
                if may_go and one.run == self._run and one.name in self._unanswered:
                    await self._delete(one.name, one.uid)

    async def _delete_all(self, positions: Sequence[int]) -> None:
        async def delete(position: int) -> None:
            await self._delete(name_of(position), self._uids[position])
            del self._uids[position]

        await self._go_through("deleted", positions, delete)

    async def _delete(self, name: str, uid: str) -> None:
        body = {"preconditions": {"uid": uid}}
        purpose = self._purpose("delete ServiceAccounts")
        await self._server.send("DELETE", f"{self._path}/{name}", purpose, body, also=_GONE)

    async def _send_to(self, position: int, method: str, what: str, action: str, body: Mapping[str, object]) -> Answer:
        """Send a request about one of them, which says its uid."""
        name = name_of(position)
        path = f"{self._path}/{name}{what}"
        answer = await self._server.send(method, path, self._purpose(action), body, also=_NOT_THE_SAME)
        if answer.status in _NOT_THE_SAME:
            raise CommandError(
                f"the ServiceAccount {name} of namespace {self._place.namespace} is not there any more, or another one"
                f" in its place ({answer.status})"
            )
        return answer

    async def _go_through(self, deed: str, positions: Sequence[int], do: Callable[[int], Awaitable[object]]) -> None:
        done = 0

        async def go(position: int) -> None:
            nonlocal done
            await do(position)
            done += 1
            if done % SAID_ABOUT == 0:
                self._progress.say(f"scale: {done:,} of {len(positions):,} ServiceAccounts {deed}")

        await for_all(positions, go)

    def _annotate(self, subject: str) -> dict[str, str]:
        return {f"{self._place.annotation_prefix}{_ANNOTATION}": subject}

    def _purpose(self, action: str) -> Purpose:
        return Purpose(f"{action} in namespace {self._place.namespace}", _REMEDY)


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
            await own.begin()
            yield own
        except CommandError as error:
            problems = error.lines
            raise
        finally:
            if own.may_be_there:
                progress.say("scale: deleting what was made")
                try:
                    await own.clean_up()
                except CommandError as error:
                    lines = dict.fromkeys((*problems, *error.lines))  # both may say the same
                    raise CommandError(
                        *lines,
                        "ServiceAccounts are left behind; see which, and delete them: kubectl get serviceaccounts"
                        f" --namespace {place.namespace} --selector {SELECTOR}",
                    ) from None
