"""What the API server's JSON says, decoded with just the fields that are needed.

A ServiceAccount weighs 1 to 16 KiB on the wire; managed fields, secrets and foreign annotations are skipped by the
decoder and never become Python objects. The official client's typed models would build all of them.

Whatever the bytes are, reading returns a record or None and never raises.
"""

from typing import TypeVar

import msgspec

from callout.serviceaccounts import ServiceAccount, is_valid_identity, is_valid_uid, select_annotations

_Document = TypeVar("_Document")


class Metadata(msgspec.Struct, frozen=True, gc=False):
    """ObjectMeta of a ServiceAccount; a BOOKMARK has the version alone."""

    namespace: str = ""
    name: str = ""
    uid: str = ""
    version: str = msgspec.field(default="", name="resourceVersion")
    annotations: dict[str, str] | None = None


class Object(msgspec.Struct, frozen=True, gc=False):
    """A ServiceAccount; in an ERROR event a Status, which has a `code` (an HTTP status) and empty metadata."""

    metadata: Metadata = Metadata()
    code: int = 0


class Event(msgspec.Struct, frozen=True, gc=False):
    """One line of a watch. `type` is ADDED, MODIFIED, DELETED, BOOKMARK or ERROR."""

    type: str
    object: Object


class ListMetadata(msgspec.Struct, frozen=True, gc=False):
    """ListMeta: the version of the whole list, and the token that asks for its next page."""

    version: str = msgspec.field(default="", name="resourceVersion")
    next_page: str = msgspec.field(default="", name="continue")


class ServiceAccountList(msgspec.Struct, frozen=True, gc=False):
    """One page of a list. Go writes an empty list as null, too."""

    kind: str
    metadata: ListMetadata
    items: list[Object] | None


def read_page(body: bytes) -> ServiceAccountList | None:
    """Read an answer to a list.

    Its `kind` is compared because a list is believed in what it leaves out, too: an empty list of something else would
    remove everybody.
    """
    page = _decode(ServiceAccountList, body)
    return page if page and page.kind == "ServiceAccountList" and page.metadata.version else None


def read_event(line: bytes) -> Event | None:
    """Read a line of a watch."""
    event = _decode(Event, line)
    return event if event and event.type in {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"} else None


def read_serviceaccount(body: bytes, annotation_prefix: str) -> ServiceAccount | None:
    """Read a single ServiceAccount, as the API server answers a GET."""
    found = _decode(Object, body)
    if (
        found is None
        or not is_valid_uid(found.metadata.uid)
        or not is_valid_identity(found.metadata.namespace, found.metadata.name)
    ):
        return None
    return to_serviceaccount(found.metadata, annotation_prefix)


def to_serviceaccount(metadata: Metadata, annotation_prefix: str) -> ServiceAccount:
    """Keep what the policy needs."""
    annotations = select_annotations(metadata.annotations, annotation_prefix)
    return ServiceAccount(metadata.namespace, metadata.name, metadata.uid, annotations)


def _decode(kind: type[_Document], data: bytes) -> _Document | None:
    try:
        return msgspec.json.decode(data, type=kind)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors; deep nesting raises the other
        return None
