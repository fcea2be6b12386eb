"""What the API server's JSON says, decoded with just the fields that are needed.

A ServiceAccount weighs 1 to 16 KiB on the wire; managed fields, secrets and foreign annotations are skipped by the
decoder and never become Python objects. The official client's typed models would build all of them.

Rules kept here:
- Whatever the bytes are, reading returns a record or None and never raises.
- The names in managed fields nest as deep as whoever edits a ServiceAccount likes, and the decoder recurses even
  through what it skips: from about 1,000 levels on it raises RecursionError. A larger stack would only move that
  bound, so what is deeper than `MAX_DEPTH` is cut out then, without recursion: nobody can hide the objects of others.
- An object that cannot be read, among others that can, is one without a uid: it is known to be there, and nothing more.
"""

import re
from typing import Final, TypeVar

import msgspec

from callout.serviceaccounts import ServiceAccount, is_valid_identity, is_valid_uid, select_annotations

MAX_DEPTH: Final = 32  # levels of nesting that are read; the annotations of an object in a list are on the fifth

# A string, closed or not, or a bracket. Possessive, so that nothing is looked at twice, whatever the bytes are.
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', re.DOTALL)
_CUT: Final = b"null"

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
    page = _decode(ServiceAccountList, body) or _read_page_by_item(body)
    return page if page and page.kind == "ServiceAccountList" and page.metadata.version else None


def read_event(line: bytes) -> Event | None:
    """Read a line of a watch. None as well for an event about nobody knows whom."""
    event = _decode(Event, line) or _read_event_by_name(line)
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


def prune(data: bytes) -> bytes:
    """Return JSON with a null in the place of each array or object that is deeper than `MAX_DEPTH`. Never raises."""
    kept: list[bytes] = []
    depth = begin = 0  # `begin`: of what is to be kept next
    for token in _TOKEN.finditer(data):
        match token[0]:
            case b"[" | b"{":
                depth += 1
                if depth == MAX_DEPTH + 1:
                    kept += data[begin : token.start()], _CUT
                    begin = len(data)  # unless it ends before
            case b"]" | b"}":
                if depth == MAX_DEPTH + 1:
                    begin = token.end()
                depth -= 1
    return b"".join([*kept, data[begin:]])


class _Name(msgspec.Struct, frozen=True):
    namespace: str
    name: str
    version: str = msgspec.field(default="", name="resourceVersion")


class _Named(msgspec.Struct, frozen=True):
    """An object of which nothing is read but whose it is."""

    metadata: _Name


class _RawEvent(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


class _RawList(msgspec.Struct, frozen=True):
    kind: str
    metadata: ListMetadata
    items: list[msgspec.Raw]


def _read_event_by_name(line: bytes) -> Event | None:
    event = _decode(_RawEvent, line)
    found = event and _read_name(bytes(event.object))
    return Event(event.type, found) if event and found else None


def _read_page_by_item(body: bytes) -> ServiceAccountList | None:
    page = _decode(_RawList, body)
    if page is None:
        return None
    raw_items = [bytes(item) for item in page.items]
    items = [_decode(Object, item) or _read_name(item) or Object() for item in raw_items]
    return ServiceAccountList(page.kind, page.metadata, items)


def _read_name(body: bytes) -> Object | None:
    found = _decode(_Named, body)
    if found is None:
        return None
    return Object(Metadata(found.metadata.namespace, found.metadata.name, version=found.metadata.version))


def _decode(kind: type[_Document], data: bytes) -> _Document | None:
    try:
        try:
            return msgspec.json.decode(data, type=kind)
        except RecursionError:
            return msgspec.json.decode(prune(data), type=kind)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None
