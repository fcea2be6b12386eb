"""A page of metrics, read from whoever may be there: a figure, or one line."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from callout.errors import CommandError
from perf.figures import pages
from perf.figures.pages import MAX_PAGE, fetch_json, read_metric_of
from tests.perf.hostile import Pace, Reply, serve
from tests.waiting import PATIENCE_SECONDS

NAME = "nats_auth_snapshot_bytes"


def read(reply: Reply) -> float:
    """Read the metric from a server that answers so; never for ever."""
    found: float = let_read(reply, lambda url: read_metric_of(f"{url}/metrics", NAME))
    return found


def let_read(reply: Reply, read: Callable[[str], Awaitable[Any]]) -> Any:
    """Read something from it by its address."""

    async def ask() -> Any:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await read(found.url)

    with serve(lambda _: reply) as found:
        return asyncio.run(ask())


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (b"nats_auth_snapshot_bytes 12.0\n", 12.0),
        (b'nats_auth_snapshot_bytes{pid="1"} 12\nnats_auth_snapshot_bytes{pid="2"} 3\n', 15.0),
        (b"# nats_auth_snapshot_bytes x\nnats_auth_snapshot_bytes_more y\nnats_auth_snapshot_bytes 0\n", 0.0),
    ],
)
def test_a_metric_is_the_sum_of_its_samples(page: bytes, expected: float) -> None:
    """What has another name is not looked at."""
    assert expected == read(Reply(page))


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        (Reply(b"nats_auth_snapshot_bytes x\n"), "is no page of the service: nats_auth_snapshot_bytes cannot be read"),
        (Reply(b"# nats_auth_snapshot_bytes x\nnats_auth_snapshot_bytes_more 1\n"), "is no page of the service"),
        (Reply(b"nats_auth_snapshot_bytes nan\n"), "is no page of the service"),
        (Reply(b"nats_auth_snapshot_bytes \n"), "is no page of the service"),
        (Reply(b"nats_auth_snapshot_bytes 1\n\xff\n"), "is no page of the service"),
        (Reply(status=404), "answers with status 404"),
        (Reply(b"x" * (MAX_PAGE + 1)), f"cannot be read: it sent more than {MAX_PAGE} bytes"),
    ],
)
def test_what_is_no_page_of_the_service_is_one_line(reply: Reply, complaint: str) -> None:
    """With the address, since there may be several."""
    with pytest.raises(CommandError, match=r"^http://127\.0\.0\.1:\d+/metrics ") as failed:
        read(reply)
    assert (1, True) == (len(failed.value.lines), complaint in failed.value.lines[0])


def test_a_page_is_decoded() -> None:
    """As JSON."""
    assert {"a": [1]} == let_read(Reply(b'{"a": [1]}'), fetch_json)


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        (Reply(b"{"), "is no JSON: "),
        (Reply(b"\xff"), "is no JSON: "),
        (Reply(b"{}", status=404), "answers with status 404"),
        (Reply(b" " * (MAX_PAGE + 1)), f"cannot be read: it sent more than {MAX_PAGE} bytes"),
    ],
)
def test_what_cannot_be_decoded_is_one_line(reply: Reply, complaint: str) -> None:
    """With the address here, too; nobody there is another."""
    with pytest.raises(CommandError, match=r"^http://127\.0\.0\.1:\d+ ") as failed:
        let_read(reply, fetch_json)
    assert (1, True) == (len(failed.value.lines), complaint in failed.value.lines[0])
    with pytest.raises(CommandError, match=r"^http://127\.0\.0\.1:1/ cannot be read: "):
        asyncio.run(fetch_json("http://127.0.0.1:1/"))


@pytest.mark.parametrize("pace", [Pace.DRIPPING_HEAD, Pace.DRIPPING_BODY])
def test_a_page_has_its_time_and_no_more(pace: Pace, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it comes; the line names all of it, and not what was left of it for a part."""
    monkeypatch.setattr(pages, "HTTP_S", 0.2)  # in earnest thirty
    with pytest.raises(CommandError, match=r"cannot be read: it took more than 0\.2 s to answer$"):
        read(Reply(pace=pace))
