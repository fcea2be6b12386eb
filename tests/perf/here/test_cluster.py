"""The pretend API server says what the service's own client understands."""

import asyncio
import json
import time
import urllib.request
from typing import Any

from callout.kube.objects import read_event, read_page
from perf.here.cluster import ANNOTATION, Cluster, identify, serve, subject_of
from tests.waiting import PATIENCE_SECONDS, until


def test_a_list_comes_in_pages() -> None:
    """All of them, each once, and the last page says when it was handed over."""
    cluster = Cluster(7)
    query: dict[str, str] = {"limit": "3"}
    found = []
    while True:
        page = read_page(cluster.page(query))
        assert page is not None
        found += [(item.metadata.namespace, item.metadata.name, item.metadata.uid) for item in page.items or []]
        if not page.metadata.next_page:
            break
        assert 0 == cluster.listed_at
        query["continue"] = page.metadata.next_page
    assert [identify(position) for position in range(7)] == found
    assert 0 < cluster.listed_at <= time.monotonic()


def get(url: str) -> Any:
    """Fetch JSON."""
    with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as response:
        return json.load(response)


def test_a_change_is_seen_by_who_watches_and_by_who_comes_later() -> None:
    """From the version that was listed, each change once and in its order."""

    async def scenario() -> list[str]:
        cluster = Cluster(5)
        server = await serve(cluster)
        host, port = server.sockets[0].getsockname()
        base = f"http://{host}:{port}"
        page = await asyncio.to_thread(get, f"{base}/api/v1/serviceaccounts?limit=500")
        await asyncio.to_thread(get, f"{base}/perf/change?position=3&value=early")
        reader, writer = await asyncio.open_connection(host, port)
        version = page["metadata"]["resourceVersion"]
        writer.write(f"GET /api/v1/serviceaccounts?watch=true&resourceVersion={version} HTTP/1.1\r\n\r\n".encode())
        lines = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            lines.append(await read_line(reader))
            state = await asyncio.to_thread(get, f"{base}/perf/change?position=3&value=late")
            lines.append(await read_line(reader))
        assert state["at"] <= time.monotonic()
        writer.close()
        server.close()
        return lines

    async def read_line(reader: asyncio.StreamReader) -> str:
        line = (await reader.readuntil(b"}\n")).rpartition(b"\r\n")[2]  # after the head, or the size of the chunk
        event = read_event(line)
        assert event is not None
        assert identify(3)[:2] == (event.object.metadata.namespace, event.object.metadata.name)
        assert event.object.metadata.annotations is not None
        return event.object.metadata.annotations[ANNOTATION]

    assert [subject_of("early"), subject_of("late")] == asyncio.run(scenario())


def test_churn_changes_one_after_the_other_until_it_is_ended() -> None:
    """And nothing changes afterwards."""

    async def scenario() -> None:
        cluster = Cluster(50)
        cluster.churn(1000)
        await until(lambda: version_of(cluster) > 3, PATIENCE_SECONDS, "some have changed")
        cluster.churn(0)
        before = version_of(cluster)
        await until(lambda: len(asyncio.all_tasks()) == 1, PATIENCE_SECONDS, "what changed them has ended")
        assert before == version_of(cluster)
        assert b"churn.0" in cluster.page({"continue": "49"})

    asyncio.run(scenario())


def version_of(cluster: Cluster) -> int:
    """How many changes there were, and one; it says both alike."""
    version = int(json.loads(cluster.page({}))["metadata"]["resourceVersion"])
    assert version - 1 == cluster.changes
    return version
