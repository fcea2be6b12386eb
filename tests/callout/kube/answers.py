"""What an API server answers that tells of ServiceAccounts, and how they are known afterwards."""

import json

from callout.serviceaccounts import ServiceAccount


def page(*names: str, version: str = "10", next_page: str = "") -> bytes:
    """A page of a list."""
    metadata = {"resourceVersion": version} | ({"continue": next_page} if next_page else {})
    items = [{"metadata": {"namespace": "ns", "name": name, "uid": "u"}} for name in names]
    return json.dumps({"kind": "ServiceAccountList", "metadata": metadata, "items": items}).encode()


def event(kind: str, version: str = "11", **metadata: object) -> bytes:
    """A line of a watch."""
    return json.dumps({"type": kind, "object": {"metadata": {"resourceVersion": version} | metadata}}).encode()


def added(name: str, version: str = "11") -> bytes:
    """The line that tells of a new ServiceAccount."""
    return event("ADDED", version, namespace="ns", name=name, uid="u")


def known(name: str) -> ServiceAccount:
    """What `page` and `added` tell of."""
    return ServiceAccount("ns", name, "u", {})
