"""A pretend API server with as many ServiceAccounts as are wanted: lists in pages, a watch, and changes on demand.

`python -m perf.here.cluster 100000` is a process of its own, so that what it costs is not taken for the generator's. It
knows no more of Kubernetes than the service asks for: lists, watches, and no rights. An object is made when it is asked
for, so a million of them take no memory here.

Rules kept here:
- It listens on the loopback address, on a free port that it writes to its standard output.
- A change is committed when its line has been handed to every open watch; the answer to whoever asked for it says when
  (CLOCK_MONOTONIC, which all processes of a machine share).
"""

import argparse
import asyncio
import sys
import time
from collections import deque
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import msgspec
import uvloop

from perf.commandline.arguments import bounded
from perf.here.inputs import NAMESPACES
from perf.kube.marks import MAX_NUMBER

ANNOTATION: Final = "nats.io/allowed-pub-subjects"
MAX_HISTORY: Final = 100_000  # lines of the watch that are kept for who comes back
CHURN_TICK_S: Final = 0.01
_SERVICEACCOUNTS: Final = "/api/v1/serviceaccounts"
_PADDING: Final = {
    "creationTimestamp": "2026-01-01T00:00:00Z",
    "managedFields": [
        {
            "manager": "kubectl-client-side-apply",
            "operation": "Update",
            "apiVersion": "v1",
            "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": {"f:annotations": {".": {}, f"f:{ANNOTATION}": {}}}},
        }
    ],
}


def identify(position: int) -> tuple[str, str, str]:
    """Return namespace, name and uid of one of the ServiceAccounts."""
    return f"team-{position % NAMESPACES}", f"app-{position}", f"00000000-0000-4000-8000-{position:012x}"


def subject_of(value: str) -> str:
    """Return the subject that a changed ServiceAccount may publish to."""
    return f"perf.{value}"


class Cluster:
    """The ServiceAccounts, and who watches them."""

    def __init__(self, count: int) -> None:
        """Nothing has been changed yet."""
        self.count = count
        self.listed_at = 0.0  # when the last page of a list was last handed over
        self._values: dict[int, str] = {}
        self._version = 1
        self._history: deque[tuple[int, bytes]] = deque(maxlen=MAX_HISTORY)
        self._watches: set[asyncio.StreamWriter] = set()
        self._churning: asyncio.Task[None] | None = None

    @property
    def changes(self) -> int:
        """How many there were."""
        return self._version - 1

    def change(self, position: int, value: str) -> None:
        """Let a ServiceAccount publish to one more subject, which its value names."""
        self._values[position] = value
        self._version += 1
        line = msgspec.json.encode({"type": "MODIFIED", "object": self._describe(position)}) + b"\n"
        self._history.append((self._version, line))
        for writer in self._watches:
            writer.write(b"%x\r\n%b\r\n" % (len(line), line))

    def churn(self, rate: int) -> None:
        """Change so many a second from now on, one after the other; 0 ends it."""
        if self._churning is not None:
            self._churning.cancel()
        self._churning = asyncio.create_task(self._churn(rate)) if rate else None

    def page(self, query: Mapping[str, str]) -> bytes:
        """Answer a list with one page."""
        begin = int(query.get("continue", "0"))
        end = min(begin + int(query.get("limit", "500")), self.count)
        metadata = {"resourceVersion": str(self._version)} | ({"continue": str(end)} if end < self.count else {})
        items = [self._describe(position) for position in range(begin, end)]
        body = {"kind": "ServiceAccountList", "apiVersion": "v1", "metadata": metadata, "items": items}
        if end == self.count:
            self.listed_at = time.monotonic()
        return msgspec.json.encode(body)

    async def watch(self, query: Mapping[str, str], writer: asyncio.StreamWriter) -> None:
        """Stream what happens after a version, until the time that was asked for is over."""
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        since = int(query.get("resourceVersion", "0"))
        for version, line in self._history:
            if version > since:
                writer.write(b"%x\r\n%b\r\n" % (len(line), line))
        self._watches.add(writer)
        try:
            async with asyncio.timeout(float(query.get("timeoutSeconds", "300"))):
                await writer.wait_closed()
        except TimeoutError:
            writer.write(b"0\r\n\r\n")
        finally:
            self._watches.discard(writer)

    def _describe(self, position: int) -> dict[str, object]:
        namespace, name, uid = identify(position)
        value = self._values.get(position)
        metadata = {
            "namespace": namespace,
            "name": name,
            "uid": uid,
            "resourceVersion": str(self._version),
            "annotations": {ANNOTATION: subject_of(value) if value is not None else f"{namespace}.events.>"},
            **_PADDING,
        }
        return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}

    async def _churn(self, rate: int) -> None:
        began, done = time.monotonic(), 0
        while True:
            due = int((time.monotonic() - began) * rate)
            for number in range(done, due):
                self.change(self.count - 1 - number % self.count, f"churn.{number}")
            done = due
            await asyncio.sleep(CHURN_TICK_S)


async def serve(cluster: Cluster) -> asyncio.Server:
    """Listen on a free port."""

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                parts = urlsplit(head.split(b" ", 2)[1].decode())
                query = dict(parse_qsl(parts.query))
                if parts.path == _SERVICEACCOUNTS and query.get("watch"):
                    await cluster.watch(query, writer)
                else:
                    _answer(writer, *_decide(cluster, parts.path, query))
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(attend, "127.0.0.1", 0)


def _decide(cluster: Cluster, path: str, query: Mapping[str, str]) -> tuple[int, bytes]:
    """Answer what is no watch: a list, or one of the generator's own wishes."""
    match path:
        case path if path == _SERVICEACCOUNTS:
            return 200, cluster.page(query)
        case "/perf/change":
            cluster.change(int(query["position"]), query["value"])
        case "/perf/churn":
            cluster.churn(int(query["rate"]))
        case "/perf/state":
            pass
        case _:
            return 404, b"{}"
    return 200, msgspec.json.encode(
        {"at": time.monotonic(), "listed_at": cluster.listed_at, "changes": cluster.changes}
    )


def _answer(writer: asyncio.StreamWriter, status: int, body: bytes) -> None:
    head = f"HTTP/1.1 {status} {'OK' if status == 200 else 'Not Found'}\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


async def _main(count: int) -> None:
    server = await serve(Cluster(count))
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


def _parse() -> int:
    """Read the arguments; ends the process with one line if they are wrong."""
    parser = argparse.ArgumentParser(prog="python -m perf.here.cluster", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("count", type=bounded(1, MAX_NUMBER), metavar="N", help="how many ServiceAccounts it has")
    count: int = parser.parse_args().count
    return count


if __name__ == "__main__":
    uvloop.run(_main(_parse()))
