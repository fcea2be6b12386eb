"""A token that the API server is asked for."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callout.config.loading import load
from callout.config.table import Settings
from callout.doctor.cluster import ClusterError, find_serviceaccount, mint_token
from tests.http_serving import serving
from tests.kubeconfigs import write_kubeconfig


class Api:
    """An API server that answers TokenRequests with a status and a body, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.status, self.body = 201, b'{"status":{"token":"made"}}'
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append((self.path, body))
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def api() -> Iterator[Api]:
    """One that runs."""
    made = Api()
    with serving(made.server):
        yield made


@pytest.fixture
def settings(api: Api, tmp_path: Path) -> Settings:
    """The settings that lead there."""
    path = write_kubeconfig(tmp_path / "kubeconfig", {"server": f"http://127.0.0.1:{api.server.server_port}"}, {})
    environ = {"NATS_ACCOUNT": "APP", "NATS_SIGNING_KEY_FILE": "x", "K8S_IN_CLUSTER": "false"}
    return load(environ | {"KUBECONFIG": str(path), "JWT_AUDIENCE": "nats,other"})[0]


def test_a_token_is_made_for_our_audience(api: Api, settings: Settings) -> None:
    """For the first audience that is taken, and for no longer than needed."""
    assert "made" == mint_token(settings, "orders", "checkout")
    path, body = api.asked[0]
    assert "/api/v1/namespaces/orders/serviceaccounts/checkout/token" == path
    assert {"audiences": ["nats"], "expirationSeconds": 600} == body["spec"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"status":"Failure"}', b'{"status":{}}'])
def test_no_token_comes_with_the_command_that_makes_one(api: Api, settings: Settings, body: bytes) -> None:
    """Whatever the refusal looks like, it is one line."""
    api.status, api.body = 403, body
    with pytest.raises(ClusterError, match="kubectl create token -n orders checkout --audience=nats"):
        mint_token(settings, "orders", "checkout")


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"status":' + b"[" * 100_000, b"\xff", b"x" * (2 << 20)])
def test_garbage_makes_no_token(api: Api, settings: Settings, body: bytes) -> None:
    """Whatever it is, it is one line."""
    api.body = body
    with pytest.raises(ClusterError, match="no token of orders/checkout"):
        mint_token(settings, "orders", "checkout")


def test_a_command_has_the_audience_as_it_is(api: Api, settings: Settings) -> None:
    """Which may be a name with blanks."""
    api.status, api.body = 403, b"{}"
    odd = msgspec.structs.replace(settings, jwt_audience=("two words",))
    with pytest.raises(ClusterError, match="--audience='two words' >token"):
        mint_token(odd, "orders", "checkout")


def test_a_serviceaccount_that_may_stand_in_what_could_not_be_read(tmp_path: Path, settings: Settings) -> None:
    """It is not called unknown then; one that was found is found."""
    manifest = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {namespace: orders, name: checkout}\n"
    folder = tmp_path / "accounts"
    folder.mkdir()
    (folder / "good.yaml").write_text(manifest)
    by_files = msgspec.structs.replace(settings, serviceaccounts_path=folder)
    found = find_serviceaccount(by_files, "orders", "checkout")
    assert found is not None
    assert "checkout" == found.name
    assert find_serviceaccount(by_files, "orders", "other") is None
    narrowed = msgspec.structs.replace(by_files, k8s_namespace="ordres")
    assert find_serviceaccount(narrowed, "orders", "checkout") is None
    (folder / "bad.yaml").write_text("{")
    assert found == find_serviceaccount(by_files, "orders", "checkout")
    with pytest.raises(ClusterError, match=r"bad\.yaml"):
        find_serviceaccount(by_files, "orders", "other")
