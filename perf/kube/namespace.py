"""ServiceAccounts of one namespace of a real cluster: listed, made, changed, deleted, and tokens of them.

Each is a request to the API server, and its answer looked at. Which of them are made, and what becomes of them, is
`perf.kube.serviceaccounts`' to say.

Rules kept here:
- Whatever is done to one says its uid: it is done to that very one, or not at all.
- A list ends, and in its time, whatever the API server says.
- A refusal is a line that names the namespace, and what it takes.
"""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from callout.errors import CommandError
from callout.kube.client import serviceaccounts_url
from callout.kube.errors import Purpose
from perf.kube.api_server import Answer, ApiServer
from perf.kube.changing import Changed
from perf.kube.marks import MAX_NUMBER, Found, describe, read_made, read_page, read_token
from perf.kube.place import Place

TOKEN_S: Final = 3600  # how long tokens live: longer than anything takes that is measured with them
PAGE: Final = 500  # ServiceAccounts in a page of a list
MAX_PAGES: Final = MAX_NUMBER // PAGE + 10
LIST_S: Final = 600.0  # for all pages; a million ServiceAccounts take some minutes
_ANNOTATION: Final = "allowed-pub-subjects"
_REMEDY: Final = (
    'it takes a Role with the rules apiGroups: [""], resources: ["serviceaccounts"], verbs: ["list", "create", "patch",'
    ' "delete"] and resources: ["serviceaccounts/token"], verbs: ["create"]'
)
_GONE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT})
_NOT_THE_SAME: Final = _GONE | {HTTPStatus.UNPROCESSABLE_ENTITY}  # what the API server says to a patch with another uid


class NotMadeError(CommandError):
    """The API server has refused to make a ServiceAccount, so there is none of ours with that name."""


class Namespace:
    """Those of a namespace.

    Args:
        server: the API server.
        place: which namespace, and how the service reads its ServiceAccounts.
    """

    def __init__(self, server: ApiServer, place: Place) -> None:
        self._server = server
        self._place = place
        self._path = serviceaccounts_url("", place.namespace)

    async def list(self) -> list[Found]:
        """Return all that are there."""
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

    async def make(self, name: str, run: str) -> tuple[str, Answer]:
        """Make one with the stamp of a run; return its uid and the whole answer.

        Raises:
            NotMadeError: there is one already, or no such namespace.
            CommandError: it may have been made.
        """
        namespace = self._place.namespace
        body = describe(name, run, self._annotate(f"{namespace}.events.>"))
        answer = await self._server.send("POST", self._path, self._purpose("make ServiceAccounts"), body, also=_GONE)
        if answer.status == HTTPStatus.NOT_FOUND:
            raise NotMadeError(f"there is no namespace {namespace}: make it, or name another")
        if answer.status == HTTPStatus.CONFLICT:
            raise NotMadeError(f"somebody else makes ServiceAccounts in namespace {namespace}: {name} is there already")
        try:
            return read_made(answer.body, namespace, name), answer
        except ValueError:
            raise CommandError("what the API server says of the ServiceAccount that was made cannot be read") from None

    async def mint(self, name: str, uid: str) -> str:
        """Have a token made for one."""
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {"uid": uid},
            "spec": {"audiences": [self._place.audience], "expirationSeconds": TOKEN_S},
        }
        answer = await self._send_to(name, "POST", "/token", "make tokens of ServiceAccounts", body)
        try:
            return read_token(answer.body, uid)
        except ValueError:
            raise CommandError(f"what the API server sends for {name} is no token of that ServiceAccount") from None

    async def change(self, name: str, uid: str, value: str) -> Changed:
        """Let one publish to one more subject: one of its namespace, which no ceiling keeps from it."""
        subject = f"{self._place.namespace}.perf.{value}"
        body = {"metadata": {"uid": uid, "annotations": self._annotate(subject)}}
        answer = await self._send_to(name, "PATCH", "", "change ServiceAccounts", body)
        return Changed(subject, answer.sent_at, answer.answered_at)

    async def delete(self, name: str, uid: str) -> None:
        """Let one be gone; one that has taken its name since stays."""
        body = {"preconditions": {"uid": uid}}
        purpose = self._purpose("delete ServiceAccounts")
        await self._server.send("DELETE", f"{self._path}/{name}", purpose, body, also=_GONE)

    async def _send_to(self, name: str, method: str, what: str, action: str, body: Mapping[str, object]) -> Answer:
        """Send a request about one of them, which says its uid."""
        path = f"{self._path}/{name}{what}"
        answer = await self._server.send(method, path, self._purpose(action), body, also=_NOT_THE_SAME)
        if answer.status in _NOT_THE_SAME:
            raise CommandError(
                f"the ServiceAccount {name} of namespace {self._place.namespace} is not there any more, or another one"
                f" in its place ({answer.status})"
            )
        return answer

    def _annotate(self, subject: str) -> dict[str, str]:
        return {f"{self._place.annotation_prefix}{_ANNOTATION}": subject}

    def _purpose(self, action: str) -> Purpose:
        return Purpose(f"{action} in namespace {self._place.namespace}", _REMEDY)
