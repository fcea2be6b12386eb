"""What tells the ServiceAccounts that a measurement has made from those of others. Pure.

Rules kept here:
- A label is no mark, for whoever may patch a ServiceAccount can give it one, and would have somebody delete it who may.
  Ours has one of our names, which nobody can give it afterwards, and the label, and the stamp of a run.
- What the API server answers is checked before anything is done with it. No name out of a list becomes part of a path:
  it only tells which of our own names is meant.
- Whatever the bytes are, reading them returns what is wanted or raises `ValueError`.
"""

import re
from typing import Final, TypeVar

import msgspec

from callout.serviceaccounts import is_valid_identity, is_valid_uid
from workers.claims import decode_token
from workers.jose import decode_segment, split

T = TypeVar("T")

LABEL: Final = "nats-k8s-oidc-callout/made-by"
MAKER: Final = "perf.scale"
SELECTOR: Final = f"{LABEL}={MAKER}"
STAMP: Final = "nats-k8s-oidc-callout/run"  # an annotation: random, another for each run
MARKER: Final = "perf-scale-run"  # there while a run is under way, so that a second one does not begin
USUAL: Final = "default"  # Kubernetes' own, in every namespace
MAX_NUMBER: Final = 1_000_000
NAMES: Final = "perf-scale-(run|[0-9]+)"  # all of these names, for grep -E
_NAME: Final = re.compile(r"perf-scale-(0|[1-9][0-9]{0,5})")
_STAMP: Final = re.compile(r"[0-9a-f]{32}")


class Found(msgspec.Struct, frozen=True):
    """A ServiceAccount that is there.

    Attributes:
        name: as the API server says it.
        uid: the identity of this very object.
        run: the stamp of the run that has made it; empty if it is somebody else's.
    """

    name: str
    uid: str
    run: str

    @property
    def position(self) -> int | None:
        """Which of those of a run it is; None if it is none of them: the marker, or somebody else's."""
        match = _NAME.fullmatch(self.name)
        return int(match[1]) if match and self.run else None


class _Metadata(msgspec.Struct, frozen=True):
    namespace: str = ""
    name: str = ""
    uid: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Object(msgspec.Struct, frozen=True):
    metadata: _Metadata


class _ListMetadata(msgspec.Struct, frozen=True):
    next_page: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct, frozen=True):
    kind: str
    metadata: _ListMetadata
    items: list[_Object] | None  # Go writes an empty one as null


class _Status(msgspec.Struct, frozen=True):
    token: str


class _TokenRequest(msgspec.Struct, frozen=True):
    status: _Status


def name_of(position: int) -> str:
    """Return what one of them is called."""
    return f"perf-scale-{position}"


def describe(name: str, run: str, annotations: dict[str, str]) -> dict[str, object]:
    """Return what the API server is told to make, with our marks."""
    metadata = {"name": name, "labels": {LABEL: MAKER}, "annotations": {**annotations, STAMP: run}}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def read_page(body: bytes, namespace: str) -> tuple[list[Found], str]:
    """Read a page of the list of a namespace: what is there, and the token that asks for the next page, if any."""
    page = _decode(body, _Page)
    if page.kind != "ServiceAccountList":
        raise ValueError("a list of something else")
    return [_find(item.metadata, namespace) for item in page.items or ()], page.metadata.next_page


def read_made(body: bytes, namespace: str, name: str) -> str:
    """Read the answer to a ServiceAccount being made: its uid."""
    found = _find(_decode(body, _Object).metadata, namespace)
    if found.name != name:
        raise ValueError("another one")
    return found.uid


def read_token(body: bytes, uid: str) -> str:
    """Read the answer to a TokenRequest: the token, which is good for that very ServiceAccount and no other."""
    token = _decode(body, _TokenRequest).status.token
    compact = split(token.encode())
    if compact is None or decode_token(decode_segment(compact.payload)).kubernetes.serviceaccount.uid != uid:
        raise ValueError("no token of that ServiceAccount")
    return token


def _find(metadata: _Metadata, namespace: str) -> Found:
    good = metadata.namespace == namespace and is_valid_identity(namespace, metadata.name)
    if not good or not is_valid_uid(metadata.uid):
        raise ValueError("no ServiceAccount of that namespace")
    run = (metadata.annotations or {}).get(STAMP, "")
    has_our_name = metadata.name == MARKER or _NAME.fullmatch(metadata.name)
    is_ours = has_our_name and (metadata.labels or {}).get(LABEL) == MAKER and _STAMP.fullmatch(run)
    return Found(metadata.name, metadata.uid, run if is_ours else "")


def _decode(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except RecursionError:  # the decoder recurses even through what it skips, and managed fields nest without a limit
        raise ValueError("nested too deep") from None
