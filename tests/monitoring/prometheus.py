"""A real Prometheus on loopback, that reads the pages of services and is asked the dashboard's queries."""

import json
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
import yaml

from tests.e2e.server_process import HeldPort, ServerProcess
from tests.monitoring.alerts import ALERTS
from tests.monitoring.programs import find_program

JOB = "nats-k8s-oidc-callout"
HTTP_SECONDS = 15


class Series(msgspec.Struct, frozen=True):
    """What a query gives for one set of labels: moments in Unix seconds, and values."""

    labels: dict[str, str]
    points: list[tuple[float, float]]


class Prometheus:
    """Runs within a `with` block.

    Args:
        folder: an existing, empty folder for its data.
        targets: whose pages it reads, as names for their label `instance` and ports.
        interval_s: how often it does that, and evaluates the alerts.
    """

    def __init__(self, folder: Path, targets: Sequence[tuple[str, int]], interval_s: int) -> None:
        self._folder = folder
        self._port = HeldPort()
        self._process = ServerProcess("prometheus", folder / "prometheus.log")
        shutil.copy(ALERTS, folder)
        static = [{"targets": [f"127.0.0.1:{port}"], "labels": {"instance": name}} for name, port in targets]
        interval = f"{interval_s}s"
        config = {
            "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
            "rule_files": [ALERTS.name],
            "scrape_configs": [{"job_name": JOB, "static_configs": static}],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))

    def __enter__(self) -> Self:
        options = {
            "config.file": self._folder / "prometheus.yml",
            "storage.tsdb.path": self._folder / "data",
            "web.listen-address": f"127.0.0.1:{self._port.number}",
            "log.level": "warn",
        }
        command = [find_program("prometheus"), *(f"--{name}={value}" for name, value in options.items())]
        self._process.start(command, self._is_ready)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()
        self._port.close()

    def query(self, query: str) -> list[Series]:
        """Ask for the values of this moment."""
        found = self._ask("query", query=query)["result"]
        return [Series(one["metric"], [_point(one["value"])]) for one in found]

    def query_range(self, query: str, start: float, end: float, step_s: float) -> list[Series]:
        """Ask for the values at moments so far apart."""
        found = self._ask("query_range", query=query, start=start, end=end, step=step_s)["result"]
        return [Series(one["metric"], [_point(point) for point in one["values"]]) for one in found]

    def rules(self) -> list[dict[str, Any]]:
        """The alerts as it has taken them, each with its health and state."""
        return [rule for group in self._ask("rules")["groups"] for rule in group["rules"]]

    def _ask(self, page: str, **parameters: object) -> Any:
        query = urllib.parse.urlencode(parameters)
        url = f"http://127.0.0.1:{self._port.number}/api/v1/{page}?{query}"
        try:
            with urllib.request.urlopen(url, timeout=HTTP_SECONDS) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(json.load(error)["error"]) from None

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port.number}/-/ready", timeout=HTTP_SECONDS):
                return True
        except OSError:
            return False


def _point(point: tuple[float, str]) -> tuple[float, float]:
    moment, value = point
    return float(moment), float(value)
