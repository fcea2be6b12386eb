"""The records that every source of ServiceAccounts speaks, and the sink they flow into, step by step.

A source (the Kubernetes API, or a folder of YAML files) turns what it sees into `Change`s. It knows
nothing of policy and nothing of the snapshot: those stand behind the sink. That way one policy serves
both sources, and a test can put a list in place of either end.

The sink lives on the supervisor's loop, and nobody else there may wait for long. So whatever it is given comes in steps
of bounded cost (`divide`), and the source lets the loop turn before the next one.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

import msgspec

# RFC 1123 label (a namespace) and subdomain (a ServiceAccount's name), as the API server checks them:
# k8s.io/apimachinery/pkg/util/validation. The API server cannot send others; a YAML file can, and a `*` or a
# dot in a namespace would become a wildcard or a second token in the subjects made from it.
MAX_NAMESPACE_LENGTH: Final = 63
MAX_NAME_LENGTH: Final = 253
# How much the sink is given at once, whichever comes first: changes, at about 20 µs each, and entries of annotations,
# which cost the policy 10 to 15 µs each and of which a ServiceAccount may hold more than it is granted.
MAX_STEP: Final = 50
MAX_STEP_ENTRIES: Final = 400
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
    """Where a source delivers. A full list is `begin_list`, any number of `apply`, and `end_list` until it is done."""

    def begin_list(self) -> None:
        """A full list starts: remember from now on who is named."""

    def apply(self, changes: Sequence[Change]) -> None:
        """Take a step of a list, or of a watch, as one atomic change."""

    def end_list(self) -> bool:
        """The list is complete: remove some of those who were not named since `begin_list`.

        Returns:
            Whether there is more to do: then it is to be called again, after the loop has turned.
        """

    def touch(self) -> None:
        """The source has just confirmed that the picture is fresh, though nothing changed."""


def divide(changes: Iterable[Change]) -> Iterator[list[Change]]:
    """Divide changes into steps, in their order."""
    waiting = deque(changes)
    while waiting:
        yield take_step(waiting)


def take_step(waiting: deque[Change]) -> list[Change]:
    """Take a step off what waits: MAX_STEP changes, or fewer so that they hold MAX_STEP_ENTRIES at most; but one."""
    step: list[Change] = []
    entries = 0
    while waiting and len(step) < MAX_STEP:
        entries += _count_entries(waiting[0])
        if step and entries > MAX_STEP_ENTRIES:
            break
        step.append(waiting.popleft())
    return step


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


def _count_entries(change: Change) -> int:
    """Count what a change gives the policy to judge: the entries of all annotations."""
    if isinstance(change, Removed):
        return 0
    return sum(1 + value.count(",") for value in change.annotations.values())
