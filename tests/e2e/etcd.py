"""A real etcd of one member on loopback: what kube-apiserver keeps its objects in.

The etcd of PyPI is 3.5.1, older than an API server of 1.34 likes. With it, that answers a watch without a
resourceVersion, or with `sendInitialEvents`, with an error. Lists, and watches from where a list ended, are as ever.
"""

import base64
import contextlib
import json
import urllib.request
from pathlib import Path
from typing import Any, Self

from tests.e2e.server_process import HeldPort, ServerProcess

HTTP_SECONDS = 10
PROGRESS = {f"ETCD_{prefix}WATCH_PROGRESS_NOTIFY_INTERVAL": "1s" for prefix in ("", "EXPERIMENTAL_")}
"""Without it, a watch on what does not change gets no bookmarks. kubeadm has 5 s; etcd 3.6 gave it another name."""


class Etcd:
    """An etcd of one member within a `with` block; its data are in `folder`."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self._folder = folder
        self._binary = binary
        self._process = ServerProcess("etcd", folder / "etcd.log", PROGRESS)
        self._port = HeldPort()
        self.url = f"http://127.0.0.1:{self._port.number}"

    def __enter__(self) -> Self:
        no_peers = "http://127.0.0.1:0"
        urls = {
            "listen-client-urls": self.url,
            "advertise-client-urls": self.url,
            "listen-peer-urls": no_peers,
            "initial-advertise-peer-urls": no_peers,
            "initial-cluster": f"default={no_peers}",
        }
        options = [f"--{name}={value}" for name, value in urls.items()]
        data = f"--data-dir={self._folder / 'etcd'}"
        # Data that outlive a crash of the machine are worth nothing here, and syncing them costs seconds.
        self._process.start([self._binary, data, "--unsafe-no-fsync", *options], self._is_healthy)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()
        self._port.close()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def compact(self) -> int:
        """Forget all history before now, and return the revision that is now the oldest."""
        revision: str = self._post("/v3/maintenance/status", {})["header"]["revision"]
        self._post("/v3/kv/compaction", {"revision": revision, "physical": True})
        return int(revision)

    def put(self, key: str, value: str) -> None:
        """Write a key; one outside the API server's `/registry` just makes the next revision."""
        encoded = {name: base64.b64encode(text.encode()).decode() for name, text in (("key", key), ("value", value))}
        self._post("/v3/kv/put", encoded)

    def _is_healthy(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/health", timeout=HTTP_SECONDS) as answer:
            return b'"true"' in answer.read()
        return False

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(self.url + path, data=json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=HTTP_SECONDS) as answer:
            return json.load(answer)
