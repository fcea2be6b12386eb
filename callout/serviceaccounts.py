"""The records that every source of ServiceAccounts speaks, and the sink they flow into.

A source (the Kubernetes API, or a folder of YAML files) turns what it sees into `Change`s. It knows
nothing of policy and nothing of the snapshot: those stand behind the sink. That way one policy serves
both sources, and a test can put a list in place of either end.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

# RFC 1123 label (a namespace) and subdomain (a ServiceAccount's name), as the API server checks them:
# k8s.io/apimachinery/pkg/util/validation. The API server cannot send others; a YAML file can, and a `*` or a
# dot in a namespace would become a wildcard or a second token in the subjects made from it.
MAX_NAMESPACE_LENGTH = 63
MAX_NAME_LENGTH = 253
_UID = re.compile(r"[!-~]{1,128}")  # a UUID in practice; printable, so that it can be stored and logged as it is
_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_NAMESPACE = re.compile(_LABEL)
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


class ServiceAccount(msgspec.Struct, frozen=True):
    """A ServiceAccount as the policy needs it.

    Attributes:
        namespace: an RFC 1123 label, at most 63 characters.
        name: an RFC 1123 subdomain, at most 253 characters; may hold dots.
        uid: the identity of this very object; a ServiceAccount made again under the same name has another.
        annotations: those whose name begins with the configured prefix, and no others: objects from a watch
            weigh 5 to 16 KiB, and all the rest of them is dropped at the door.
    """

    namespace: str
    name: str
    uid: str
    annotations: dict[str, str]


class Removed(msgspec.Struct, frozen=True):
    """The ServiceAccount of that name is gone."""

    namespace: str
    name: str


Change = ServiceAccount | Removed


class Sink(Protocol):
    """Where a source delivers. A full list is `begin_list`, any number of `apply`, `end_list`."""

    def begin_list(self) -> None:
        """A full list starts: remember from now on who is named."""

    def apply(self, changes: Sequence[Change]) -> None:
        """Take a page of a list, or changes from a watch, as one atomic step."""

    def end_list(self) -> None:
        """The list is complete: whoever was not named since `begin_list` is gone."""

    def touch(self) -> None:
        """The source has just confirmed that the picture is fresh, though nothing changed."""


def is_valid_identity(namespace: str, name: str) -> bool:
    """Tell whether the API server could hold a ServiceAccount of that name in that namespace."""
    return (
        len(namespace) <= MAX_NAMESPACE_LENGTH
        and len(name) <= MAX_NAME_LENGTH
        and _NAMESPACE.fullmatch(namespace) is not None
        and _NAME.fullmatch(name) is not None
    )


def is_valid_uid(uid: str) -> bool:
    """Tell whether this can be the uid of an object: printable ASCII, at most 128 characters."""
    return _UID.fullmatch(uid) is not None


def select_annotations(annotations: Mapping[str, str] | None, prefix: str) -> dict[str, str]:
    """Keep the annotations that begin with `prefix`."""
    return {key: value for key, value in (annotations or {}).items() if key.startswith(prefix)}
