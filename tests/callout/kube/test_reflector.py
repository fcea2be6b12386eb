"""Tests of `callout.kube.reflector`."""

import json

import pytest

from callout.kube.reflector import (
    BACK_OFF_MAX_S,
    MIN_HEALTHY_SECONDS,
    Batch,
    Limits,
    ListPage,
    Page,
    Reflector,
    WatchStream,
)
from callout.serviceaccounts import Removed, ServiceAccount
from tests.callout.kube.answers import added, event, known, page
from tests.fake_cluster import error_line

PREFIX = "nats.io/"


def watching(version: str = "10") -> Reflector:
    """A reflector that has listed and is to watch from `version`."""
    reflector = Reflector(PREFIX)
    reflector.receive_page(page(version=version))
    return reflector


def version_of(reflector: Reflector) -> str | None:
    """From where it will watch; None if it is to list."""
    request = reflector.next_request(0.0)
    return request.query["resourceVersion"] if isinstance(request, WatchStream) else None


def test_it_begins_with_a_list_from_the_quorum() -> None:
    """The first request is a page of a list and names no resourceVersion, so it cannot be answered from the past."""
    assert ListPage({"limit": "500"}) == Reflector(PREFIX).next_request(0.5)


def test_a_list_comes_in_pages() -> None:
    """Pages are asked for by the token that came with the one before, and the first and the last are marked."""
    reflector = Reflector(PREFIX)
    assert Page((known("a"),), first=True) == reflector.receive_page(page("a", next_page="more"))
    assert ListPage({"limit": "500", "continue": "more"}) == reflector.next_request(0.0)
    assert Page((known("b"),)) == reflector.receive_page(page("b", next_page="still more"))
    assert Page((known("c"),), last=True) == reflector.receive_page(page("c"))


def test_a_list_of_one_page_is_first_and_last() -> None:
    """A small cluster needs one request."""
    assert Page((), first=True, last=True) == Reflector(PREFIX).receive_page(page())


@pytest.mark.parametrize(("draw", "seconds"), [(0.0, 120), (0.5, 180), (0.999, 240)])
def test_a_watch_begins_where_the_list_ended(draw: float, seconds: int) -> None:
    """The watch names the list's version, asks for bookmarks, and has an end that is drawn at random."""
    query = {
        "watch": "true",
        "resourceVersion": "10",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": str(seconds),
    }
    assert WatchStream(query, seconds) == watching().next_request(draw)


def test_events_become_changes_in_order() -> None:
    """Created and changed ServiceAccounts come as they are now, deleted ones by name."""
    lines = [added("a"), event("DELETED", "12", namespace="ns", name="a", uid="u"), added("a", "13")]
    assert Batch((known("a"), Removed("ns", "a"), known("a")), fresh=True) == watching().receive_lines(lines)


def test_a_changed_annotation_is_delivered() -> None:
    """MODIFIED brings the whole object, cut down to our annotations."""
    line = event("MODIFIED", namespace="ns", name="a", uid="u", annotations={"nats.io/x": "1", "y": "2"})
    change = ServiceAccount("ns", "a", "u", {"nats.io/x": "1"})
    assert Batch((change,), fresh=True) == watching().receive_lines([line])


def test_a_bookmark_moves_the_version_and_changes_nothing() -> None:
    """A bookmark confirms that the picture is fresh."""
    reflector = watching()
    assert Batch((), fresh=True) == reflector.receive_lines([event("BOOKMARK", "99")])
    assert "99" == version_of(reflector)


def test_no_lines_confirm_nothing() -> None:
    """Only what the API server says makes the picture fresh."""
    assert Batch() == watching().receive_lines([])


def test_a_version_is_opaque() -> None:
    """Versions are sent back as they came, whether they look like numbers, go up, or neither."""
    reflector = watching("z/9")
    reflector.receive_lines([added("a", "b-8")])
    assert "b-8" == version_of(reflector)


def test_an_event_without_a_version_keeps_the_one_before() -> None:
    """A missing version is no reason to begin from the start of time."""
    reflector = watching()
    reflector.receive_lines([event("BOOKMARK", "")])
    assert "10" == version_of(reflector)


def test_a_watch_that_ends_in_order_goes_on_at_once() -> None:
    """The end of its time is no failure: the next one goes on from the last version, without a pause."""
    reflector = watching()
    reflector.receive_lines([added("a", "11")])
    assert "" == reflector.receive_end(MIN_HEALTHY_SECONDS)
    assert ("11", 0.0, 0) == (version_of(reflector), reflector.pause(0.5), reflector.failures)


def test_a_watch_that_ends_at_once_is_a_failure() -> None:
    """An API server that turns every watch away is not asked without a pause."""
    reflector = watching()
    assert "the API server ends each watch at once" == reflector.receive_end(0.1)
    assert ("10", 1) == (version_of(reflector), reflector.failures)
    assert reflector.pause(0.0) > 0


@pytest.mark.parametrize("status", [None, 401, 403, 429, 500, 503, 504])
def test_a_watch_that_breaks_goes_on_where_it_was(status: int | None) -> None:
    """Neither a broken connection nor a refusal is a reason to list everything again."""
    reflector = watching()
    reflector.receive_lines([added("a", "11")])
    reflector.receive_failure(status)
    assert "11" == version_of(reflector)
    assert reflector.pause(0.0) > 0


@pytest.mark.parametrize("status", [410, 400])
def test_a_forgotten_version_means_a_list(status: int) -> None:
    """410, and 400 for a version that is not even understood, begin everything anew."""
    reflector = watching()
    reflector.receive_failure(status)
    assert ListPage({"limit": "500"}) == reflector.next_request(0.0)


def test_a_410_within_a_watch_means_a_list() -> None:
    """What came before the ERROR event still counts; what comes after is not read."""
    reflector = watching()
    batch = reflector.receive_lines([added("a"), error_line(410), added("b")])
    assert Batch((known("a"),), fresh=True, problem="the API server ended the watch with status 410") == batch
    assert version_of(reflector) is None


def test_another_error_within_a_watch_keeps_the_version() -> None:
    """Any ERROR event but 410 is a failure like a broken connection."""
    reflector = watching()
    assert reflector.receive_lines([error_line(500)]).problem
    assert ("10", 1) == (version_of(reflector), reflector.failures)


def test_a_failed_page_is_asked_for_again() -> None:
    """A list of 200 pages is not begun anew for a connection that broke."""
    reflector = Reflector(PREFIX)
    reflector.receive_page(page("a", next_page="more"))
    reflector.receive_failure(503)
    assert ListPage({"limit": "500", "continue": "more"}) == reflector.next_request(0.0)


@pytest.mark.parametrize("status", [410, 400])
def test_an_expired_page_begins_the_list_again(status: int) -> None:
    """When the list being paged is forgotten, the next page is the first one of another list."""
    reflector = Reflector(PREFIX)
    reflector.receive_page(page("a", next_page="more"))
    reflector.receive_failure(status)
    assert ListPage({"limit": "500"}) == reflector.next_request(0.0)
    assert reflector.receive_page(page("a")).first


@pytest.mark.parametrize(
    "line", [b"x", b"{}", b'{"type":"NEWS","object":{}}', b'{"type":"ADDED"}', b"\xff", b"[" * 9999]
)
def test_garbage_in_a_watch_is_counted_and_means_a_list(line: bytes) -> None:
    """Nobody can tell what an unreadable line would have said, so everything is asked again, after a pause."""
    reflector = watching()
    batch = reflector.receive_lines([added("a"), line, added("b")])
    assert Batch((known("a"),), fresh=True, problem="the watch sent a line that is no event") == batch
    assert (None, 1) == (version_of(reflector), reflector.garbage)
    assert reflector.pause(0.0) > 0


def test_garbage_instead_of_a_page_is_counted_and_begins_the_list_again() -> None:
    """A page that cannot be read says nothing, least of all that everybody is gone."""
    reflector = Reflector(PREFIX)
    reflector.receive_page(page("a", next_page="more"))
    assert Page(problem="the answer to a list is no list of ServiceAccounts") == reflector.receive_page(b"{}")
    assert ListPage({"limit": "500"}) == reflector.next_request(0.0)
    assert 1 == reflector.garbage


def test_too_large_a_page_is_asked_for_in_halves() -> None:
    """Down to a single object, so that nobody can stop the list by making ServiceAccounts large."""
    reflector = Reflector(PREFIX, Limits(page_objects=5))
    limits = []
    for _ in range(4):
        reflector.receive_too_much()
        limits.append(reflector.next_request(0.0).query["limit"])
    assert ["2", "1", "1", "1"] == limits


def test_too_long_a_line_means_a_list() -> None:
    """The pages stay as large as they were."""
    reflector = watching()
    reflector.receive_too_much()
    assert ListPage({"limit": "500"}) == reflector.next_request(0.0)
    assert 1 == reflector.garbage


def test_an_impossible_name_is_skipped_and_counted() -> None:
    """The rest of a page or a batch stays."""
    reflector = Reflector(PREFIX)
    assert (known("a"),) == reflector.receive_page(page("A*", "a", ">")).changes
    assert (known("b"),) == reflector.receive_lines([added("B"), added("b")]).changes
    assert 3 == reflector.skipped


def test_without_a_uid_nobody_is_known() -> None:
    """An object whose uid is missing takes a known one's place: no token can be its own."""
    line = event("MODIFIED", namespace="ns", name="a")
    assert (Removed("ns", "a"),) == watching().receive_lines([line]).changes


def test_a_deletion_counts_without_a_uid() -> None:
    """To be gone a name is enough."""
    line = event("DELETED", namespace="ns", name="a")
    assert (Removed("ns", "a"),) == watching().receive_lines([line]).changes


def test_a_failed_sink_means_a_list_after_a_pause() -> None:
    """What the sink has lost is delivered again."""
    reflector = watching()
    reflector.start_over()
    assert version_of(reflector) is None
    assert reflector.pause(0.0) > 0


def test_a_list_can_be_asked_for_without_a_pause() -> None:
    """Another cluster, or other rules behind the sink, are no failure."""
    reflector = watching()
    reflector.receive_failure()
    reflector.list_anew()
    assert version_of(reflector) is None
    assert 0.0 == reflector.pause(0.5)


def test_lists_that_lead_to_no_watch_become_rarer() -> None:
    """A list that succeeds does not end a row of failures, a healthy watch does."""
    reflector = Reflector(PREFIX)
    for _ in range(5):
        reflector.receive_page(page())
        reflector.receive_lines([error_line(410)])
    assert 5 == reflector.failures
    reflector.receive_page(page())
    assert 0.0 == reflector.pause(0.5)
    reflector.receive_lines([event("BOOKMARK")])
    assert 0 == reflector.failures


@pytest.mark.parametrize(("failures", "seconds"), [(1, 0.25), (2, 0.5), (3, 1.0), (7, 15.0), (8, 15.0)])
def test_the_pause_doubles_up_to_its_bound(failures: int, seconds: float) -> None:
    """Half of the pause is drawn at random; here as little as can be."""
    reflector = Reflector(PREFIX)
    for _ in range(failures):
        reflector.receive_failure()
    assert seconds == reflector.pause(0.0)
    assert reflector.pause(0.999) <= BACK_OFF_MAX_S


def test_an_object_that_cannot_be_read_counts_as_gone_and_is_named() -> None:
    """What stood there before must not stay in force, and the others are not to suffer."""
    bad = {"namespace": "ns", "name": "bad", "uid": "u", "annotations": {"nats.io/x": 5}}
    reflector = watching()
    batch = reflector.receive_lines([event("MODIFIED", "12", **bad), added("a", "13")])
    assert Batch((Removed("ns", "bad"), known("a")), fresh=True, unreadable=("ns/bad",)) == batch
    assert (1, 0, "13") == (reflector.skipped, reflector.garbage, version_of(reflector))
    reflector.list_anew()
    listed = json.loads(page("a"))
    listed["items"].append({"metadata": bad})
    expected = Page((known("a"), Removed("ns", "bad")), first=True, last=True, unreadable=("ns/bad",))
    assert expected == reflector.receive_page(json.dumps(listed).encode())
