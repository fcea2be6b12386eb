"""A pretend cluster: ServiceAccounts with their history, and the documents that an API server makes of them.

No I/O: `tests.fake_kube_api` serves it over HTTP, and the property tests of the reflector ask it directly. It keeps to
https://kubernetes.io/docs/reference/using-api/api-concepts/: one version counter for everything, lists that stay the
same while they are paged, and 410 for what has been forgotten.
"""

import itertools
import json
import uuid
from typing import Any

FIRST_VERSION = 1000


class GoneError(Exception):
    """That version, or that list, is forgotten: 410."""


class FakeCluster:
    """The ServiceAccounts of a cluster, and what happened to them."""

    def __init__(self) -> None:
        self._versions = itertools.count(FIRST_VERSION)
        self._version = next(self._versions)
        self._oldest = self._version
        self._objects: dict[tuple[str, str], dict[str, Any]] = {}
        self._history: list[tuple[int, str, dict[str, Any]]] = []
        self._lists: dict[str, tuple[int, list[dict[str, Any]]]] = {}

    def put(self, namespace: str, name: str, annotations: dict[str, str] | None = None, uid: str = "") -> str:
        """Create or change a ServiceAccount; return its uid, which stays the same until it is deleted."""
        before = self._objects.get((namespace, name))
        uid = uid or (before["metadata"]["uid"] if before else str(uuid.uuid4()))
        metadata = {"namespace": namespace, "name": name, "uid": uid, "annotations": annotations or {}}
        self._objects[namespace, name] = self._record("MODIFIED" if before else "ADDED", metadata)
        return uid

    def delete(self, namespace: str, name: str) -> None:
        """Delete a ServiceAccount."""
        self._record("DELETED", self._objects.pop((namespace, name))["metadata"])

    def bookmark(self) -> None:
        """Let watches know that nothing they asked for has happened up to now."""
        self._record("BOOKMARK", {})

    def compact(self) -> None:
        """Forget what happened up to now; a watch has to begin with a list again, an open one as well."""
        self._version = self._oldest = next(self._versions)
        self._history.clear()

    def expire_lists(self) -> None:
        """Forget the lists that are being paged."""
        self._lists.clear()

    def picture(self) -> dict[tuple[str, str], tuple[str, dict[str, str]]]:
        """Return uid and annotations of all that exist, by namespace and name."""
        return {
            key: (item["metadata"]["uid"], dict(item["metadata"]["annotations"])) for key, item in self._objects.items()
        }

    def page(self, namespace: str, query: dict[str, str]) -> bytes:
        """Answer a list with one page. Raises `GoneError`."""
        token, _, offset = query.get("continue", "").partition(":")
        if not token:
            token = str(uuid.uuid4())
            items = [item for key, item in sorted(self._objects.items()) if namespace in {"", key[0]}]
            self._lists[token] = self._version, items
        if token not in self._lists:
            raise GoneError
        version, items = self._lists[token]
        begin = int(offset or 0)
        end = begin + (int(query.get("limit", "0")) or len(items))
        metadata = {"resourceVersion": str(version)}
        if end < len(items):
            metadata["continue"] = f"{token}:{end}"
        page = [{"metadata": item["metadata"], "secrets": item["secrets"]} for item in items[begin:end]]
        return _encode({"kind": "ServiceAccountList", "apiVersion": "v1", "metadata": metadata, "items": page or None})

    def get(self, namespace: str, name: str) -> bytes | None:
        """Answer a request for one object; None if there is none."""
        item = self._objects.get((namespace, name))
        return _encode(item) if item else None

    def lines_since(self, version: str, namespace: str = "") -> list[tuple[str, bytes]]:
        """Return what happened after a version: each event's own version and its line. Raises `GoneError`."""
        if int(version) < self._oldest:
            raise GoneError
        return [
            (str(at), _encode({"type": kind, "object": item}))
            for at, kind, item in self._history
            if at > int(version) and (kind == "BOOKMARK" or namespace in {"", item["metadata"]["namespace"]})
        ]

    def _record(self, kind: str, metadata: dict[str, Any]) -> dict[str, Any]:
        self._version = next(self._versions)
        added: dict[str, Any] = {"resourceVersion": str(self._version), "creationTimestamp": None}
        if kind != "BOOKMARK":
            added["managedFields"] = [{"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:metadata": {}}}]
        item = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": metadata | added, "secrets": [{"name": "s"}]}
        self._history.append((self._version, kind, item))
        return item


def status_object(code: int) -> dict[str, Any]:
    """Return the Status object that goes with a refusal."""
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code}


def error_line(code: int) -> bytes:
    """Return the line of a watch that ends it with an error."""
    return _encode({"type": "ERROR", "object": status_object(code)})


def _encode(document: object) -> bytes:
    return json.dumps(document).encode()
