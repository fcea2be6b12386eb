"""A page of metrics, read from whoever may be there: a figure, or one line."""

import asyncio

import pytest

from callout.errors import CommandError
from perf import pages
from perf.pages import MAX_PAGE, read_metric_of
from tests.perf.hostile import Pace, Reply, serve
from tests.waiting import PATIENCE_SECONDS

NAME = "nats_auth_snapshot_bytes"


def read(reply: Reply) -> float:
    """Read the metric from a server that answers so; never for ever."""

    async def ask() -> float:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await read_metric_of(f"{found.url}/metrics", NAME)

    with serve(lambda _: reply) as found:
        return asyncio.run(ask())


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (b"nats_auth_snapshot_bytes 12.0\n", 12.0),
        (b'nats_auth_snapshot_bytes{pid="1"} 12\nnats_auth_snapshot_bytes{pid="2"} 3\n', 15.0),
        (b"# nats_auth_snapshot_bytes x\nnats_auth_snapshot_bytes_more y\n", 0.0),
    ],
)
def test_a_metric_is_the_sum_of_its_samples(page: bytes, expected: float) -> None:
    """Of one that is not there 0; what has another name is not looked at."""
    assert expected == read(Reply(page))


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        (Reply(b"nats_auth_snapshot_bytes x\n"), "is no page of the service: nats_auth_snapshot_bytes cannot be read"),
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


@pytest.mark.parametrize("pace", [Pace.DRIPPING_HEAD, Pace.DRIPPING_BODY])
def test_a_page_has_its_time_and_no_more(pace: Pace, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it comes; the line names all of it, and not what was left of it for a part."""
    monkeypatch.setattr(pages, "HTTP_S", 0.2)
    with pytest.raises(CommandError, match=r"cannot be read: it took more than 0\.2 s to answer$"):
        read(Reply(pace=pace))
