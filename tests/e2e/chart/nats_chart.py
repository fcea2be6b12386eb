"""What the official chart of NATS makes of its values, as far as nats.conf goes: the chart itself is not at hand.

Source: https://github.com/nats-io/k8s, helm/charts/nats (1.x): `files/config/*.yaml`, and what its tests
`config_test.go` and `tls_test.go` expect for a release called `nats`.

Rules kept here:
- What it does not know of is no part of what these tests show: storage, resources, pods.
- `merge` goes over what the chart has, map by map.
- What stands in << >> is written as it is, all else as JSON.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from tests.e2e.chart.helm import merge

RELEASE: Final = "nats"
CLIENT_PORT: Final = 4222
ROUTE_PORT: Final = 6222
STORE: Final = "/data"
_AS_IT_IS: Final = re.compile(r'"<< (.*?) >>"')


def list_servers(values: Mapping[str, Any]) -> list[str]:
    """The names of the pods of the StatefulSet, which are those of the servers, too."""
    cluster = values["config"].get("cluster", {})
    return [f"{RELEASE}-{number}" for number in range(cluster["replicas"] if cluster.get("enabled") else 1)]


def render_config(values: Mapping[str, Any], server: str) -> dict[str, Any]:
    """The members of nats.conf for one of the servers."""
    config = values["config"]
    members: dict[str, Any] = {
        "server_name": server,
        "port": CLIENT_PORT,
        "lame_duck_grace_period": "10s",
        "lame_duck_duration": "30s",
    }
    if config.get("jetstream", {}).get("enabled"):
        members["jetstream"] = {"store_dir": STORE}
    cluster = config.get("cluster", {})
    if cluster.get("enabled"):
        tls = cluster.get("tls", {})
        scheme = "tls" if tls.get("enabled") else "nats"
        members["cluster"] = {
            "name": RELEASE,
            "port": ROUTE_PORT,
            "no_advertise": True,
            "routes": [f"{scheme}://{one}.{RELEASE}-headless:{ROUTE_PORT}" for one in list_servers(values)],
        }
        if tls.get("enabled"):
            files = {"cert_file": f"{tls['dir']}/tls.crt", "key_file": f"{tls['dir']}/tls.key"}
            members["cluster"]["tls"] = files | tls.get("merge", {})
    merged: dict[str, Any] = merge(members, config.get("merge", {}))
    return merged


def write_config(members: Mapping[str, Any]) -> str:
    """Write nats.conf."""
    return _AS_IT_IS.sub(r"\1", json.dumps(members))
