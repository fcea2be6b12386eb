"""List and watch as a state machine: which request comes next, and what an answer says about ServiceAccounts.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/ ("Efficient detection of changes", "Retrieving
large results sets in chunks", "Resource versions"). The shell (`callout.kube.watch`) carries requests out and hands
back what came; nothing here does I/O, sleeps or looks at a clock.

    state      what came                       next state                         the sink hears
    LISTING    page with `continue`            LISTING, next page                 begin_list (first page), apply
    LISTING    last page                       WATCHING from its version          apply, end_list
    LISTING    failure                         LISTING, the same page again       -
    WATCHING   ADDED, MODIFIED, DELETED        WATCHING                           apply
    WATCHING   BOOKMARK                        WATCHING                           touch
    WATCHING   end of the stream, failure      WATCHING from the last version     -
    any        410, garbage, sink has failed   LISTING, first page                -

(400 counts as 410, see `_OF_NO_USE`.)

Rules kept here:
- A resourceVersion is opaque: it is kept and sent back, never compared, never counted.
- A list names no resourceVersion, so it is read from the quorum. With `resourceVersion=0` a lagging API server may
  answer from its past, and a ServiceAccount deleted there would come back to life here.
- A watch that broke goes on from the last version seen. All is listed again only when the API server has forgotten
  that version (410), or when something unreadable came and nobody can tell what was missed.
- A 410 while paging means that the snapshot being paged is gone. The list starts again without `continue`: going on
  with another snapshot would mix two pictures.
- Whatever the server sends, no method raises.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from callout.backoff import back_off
from callout.kube.objects import Metadata, read_event, read_page, to_serviceaccount
from callout.lines import MAX_LINE_BYTES
from callout.serviceaccounts import Change, Removed, is_valid_identity, is_valid_uid

MIN_HEALTHY_SECONDS: Final = 1.0  # a watch that ends before was turned away, whatever its status said (as in client-go)

BACK_OFF_FIRST_S: Final = 0.5
BACK_OFF_MAX_S: Final = 30.0  # longer would add to the time a revoked ServiceAccount still works

# HTTP statuses, and codes of ERROR events, that say: the version or the `continue` token sent is of no use any more.
# 410 Gone: compacted away. 400: not understood, as after the API server was replaced by another.
_OF_NO_USE: Final = frozenset({400, 410})


class Limits(msgspec.Struct, frozen=True):
    """How much is asked for at once, and how long one watch lasts.

    Attributes:
        page_objects: 500 is what client-go's pager asks for.
        page_bytes: of one answer to a list. 500 ServiceAccounts of the usual 1 to 16 KiB are 8 MB at most; larger pages
            are asked for in halves, down to single objects, and a single one always fits (see `callout.lines`).
        line_bytes: of one line of a watch.
        watch_seconds: the shortest and the longest time a watch is asked to last. Whatever goes wrong unnoticed on the
            way ends with it, and a new one costs the API server little; client-go takes 5 to 10 minutes. The spread
            keeps replicas from coming back together.
        grace_seconds: on top of that; the network's and the API server's share. A silence longer than both is no
            quiet cluster but a dead connection.
        answer_seconds: how long a page may take, or the head of the answer to a watch, which the API server sends at
            once. It gives up on a request after 60 s itself.
    """

    page_objects: int = 500
    page_bytes: int = 32 << 20
    line_bytes: int = MAX_LINE_BYTES
    watch_seconds: tuple[int, int] = (120, 240)
    grace_seconds: float = 15.0
    answer_seconds: float = 30.0


class ListPage(msgspec.Struct, frozen=True):
    """Ask for one page of the list."""

    query: dict[str, str]


class WatchStream(msgspec.Struct, frozen=True):
    """Ask for the stream of changes, which the API server ends after `seconds`."""

    query: dict[str, str]
    seconds: int


class Page(msgspec.Struct, frozen=True):
    """What a page of the list says. A page that could not be read has a `problem` and says nothing.

    `unreadable` are the names (`namespace/name`) of those that are there and cannot be read, which counts as gone.
    """

    changes: tuple[Change, ...] = ()
    first: bool = False
    last: bool = False
    problem: str = ""
    unreadable: tuple[str, ...] = ()


class Batch(msgspec.Struct, frozen=True):
    """What lines of a watch say.

    Attributes:
        changes: in the order they happened; to be applied even when there is a problem, which came after them.
        fresh: whether anything confirmed that the picture is up to date.
        problem: why the stream is not worth reading any further, or empty.
        unreadable: as in `Page`.
    """

    changes: tuple[Change, ...] = ()
    fresh: bool = False
    problem: str = ""
    unreadable: tuple[str, ...] = ()


class Reflector:
    """The state of one list-and-watch.

    Args:
        annotation_prefix: annotations whose name begins with it are kept, all others dropped.
        limits: how much to ask for.

    Attributes:
        failures: failures in a row; a healthy watch ends the row, a list does not: lists that lead to no watch are
            to become rarer, they are what costs the API server most.
        garbage: answers and lines so far that could not be read.
        skipped: objects so far that could not be read, or whose namespace or name no API server would give.
    """

    def __init__(self, annotation_prefix: str, limits: Limits | None = None) -> None:
        self.failures = 0
        self.garbage = 0
        self.skipped = 0
        self._prefix = annotation_prefix
        self._limits = limits or Limits()
        self._page_objects = self._limits.page_objects
        self._version = ""  # of the last event or list; empty while listing
        self._continue = ""
        self._must_pause = False
        self._unreadable: list[str] = []  # of the page or the lines that are being received

    def pause(self, draw: float) -> float:
        """Return how many seconds to wait before the next request; `draw` is random, 0 <= draw < 1."""
        if not self._must_pause:
            return 0.0
        return back_off(self.failures, draw, first_s=BACK_OFF_FIRST_S, limit_s=BACK_OFF_MAX_S)

    def next_request(self, draw: float) -> ListPage | WatchStream:
        """Return the request that is to be sent now; `draw` is random, 0 <= draw < 1."""
        if not self._version:
            query = {"limit": str(self._page_objects)}
            if self._continue:
                query["continue"] = self._continue
            return ListPage(query)
        shortest, longest = self._limits.watch_seconds
        seconds = round(shortest + draw * (longest - shortest))
        return WatchStream(
            {
                "watch": "true",
                "resourceVersion": self._version,
                "allowWatchBookmarks": "true",
                "timeoutSeconds": str(seconds),
            },
            seconds,
        )

    def receive_page(self, body: bytes) -> Page:
        """Take the body of an answer to a `ListPage`."""
        page = read_page(body)
        if page is None:
            self._count_garbage()
            return Page(problem="the answer to a list is no list of ServiceAccounts")
        first, self._continue = not self._continue, page.metadata.next_page
        if not self._continue:
            self._version = page.metadata.version
        self._must_pause = False
        self._unreadable = []
        found = (self._read_metadata(item.metadata) for item in page.items or ())
        changes = tuple(change for change in found if change)
        return Page(changes, first, last=not self._continue, unreadable=tuple(self._unreadable))

    def receive_lines(self, lines: Iterable[bytes]) -> Batch:
        """Take lines of the answer to a `WatchStream`. After a problem the stream is to be closed."""
        changes: list[Change] = []
        self._unreadable = []
        fresh, problem = False, ""
        for line in lines:
            problem = self._receive_line(line, changes)
            if problem:
                break
            fresh = True
        return Batch(tuple(changes), fresh, problem, tuple(self._unreadable))

    def receive_end(self, seconds: float) -> str:
        """Take note that the stream has ended in good order after so many seconds; return what was wrong with that."""
        if seconds < MIN_HEALTHY_SECONDS:
            self._fail()
            return "the API server ends each watch at once"
        self._recover()
        return ""

    def receive_failure(self, status: int | None = None) -> None:
        """Take note that the request was refused with an HTTP status, or that the connection failed (None)."""
        self._fail()
        if status in _OF_NO_USE:
            self._forget()

    def receive_too_much(self) -> None:
        """Take note that a page or a line was larger than `Limits` allows, and not read any further."""
        if not self._version:
            self._page_objects = max(1, self._page_objects // 2)
        self._count_garbage()

    def start_over(self) -> None:
        """List again after a pause: the sink has failed, so it has lost changes."""
        self._fail()
        self._forget()

    def list_anew(self) -> None:
        """List again at once: the API server is another one now, or the sink wants to hear it all once more."""
        self._must_pause = False
        self._forget()

    def _receive_line(self, line: bytes, changes: list[Change]) -> str:
        """Take one line; add the change it tells of, or return the problem with it."""
        event = read_event(line)
        if event is None:
            self._count_garbage()
            return "the watch sent a line that is no event"
        if event.type == "ERROR":
            self.receive_failure(event.object.code)
            return f"the API server ended the watch with status {event.object.code}"
        self._recover()
        self._version = event.object.metadata.version or self._version
        if event.type != "BOOKMARK":
            change = self._read_metadata(event.object.metadata, removed=event.type == "DELETED")
            if change:
                changes.append(change)
        return ""

    def _read_metadata(self, metadata: Metadata, *, removed: bool = False) -> Change | None:
        if not is_valid_identity(metadata.namespace, metadata.name):
            self.skipped += 1
            return None
        if not removed and not is_valid_uid(metadata.uid):  # what stood there before must not stay in force
            self.skipped += 1
            self._unreadable.append(f"{metadata.namespace}/{metadata.name}")
            removed = True
        if removed:
            return Removed(metadata.namespace, metadata.name)
        return to_serviceaccount(metadata, self._prefix)

    def _recover(self) -> None:
        self.failures = 0
        self._must_pause = False

    def _fail(self) -> None:
        self.failures += 1
        self._must_pause = True

    def _count_garbage(self) -> None:
        self.garbage += 1
        self.start_over()

    def _forget(self) -> None:
        self._version = self._continue = ""
