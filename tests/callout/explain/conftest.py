"""The command, and what it is tried with: files, a token, an API server."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from callout.cli import main
from callout.manifests.manifest import derive_uid
from tests.callout.explain.running import CHECKOUT, ISSUER, LONG_AGO, NAME, SOON, Run
from tests.fake_kube_api import FakeKubeApi


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment for files, and nothing else of ours in it. Seeds need not be there: nothing is signed."""
    (tmp_path / "jwks.json").write_text(json.dumps(ISSUER.jwks()))
    (tmp_path / "accounts").mkdir()
    (tmp_path / "accounts" / "orders.yaml").write_text(CHECKOUT)
    made = {
        "NATS_ACCOUNT": "APP",
        "NATS_SIGNING_KEY_FILE": str(tmp_path / "signing.nk"),
        "JWKS_PATH": str(tmp_path / "jwks.json"),
        "JWT_ISSUER": NAME,
        "SERVICEACCOUNTS_PATH": str(tmp_path / "accounts"),
    }
    for name in list(os.environ):
        if name.startswith(("NATS_", "JWT_", "JWKS_", "K8S_", "KUBE", "SERVICEACCOUNTS_")):
            monkeypatch.delenv(name)
    return made


@pytest.fixture
def run(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command: exit code, standard output, standard error. A setting that is None is not set."""

    def call(*arguments: str | Path, **changes: str | None) -> tuple[int, str, str]:
        for name, value in {**environ, **changes}.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        code = main(["explain", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def write_token(tmp_path: Path) -> Callable[..., Path]:
    """Write a token of orders/checkout, good unless something is changed."""

    def write(uid: str = derive_uid("orders", "checkout"), ends: int = SOON, audience: str = "nats") -> Path:
        path = tmp_path / "token"
        token = ISSUER.token(
            "orders", "checkout", uid, audience=audience, issuer=NAME, now=LONG_AGO, ttl=ends - LONG_AGO
        )
        path.write_text(token + "\n")
        return path

    return write


@pytest.fixture
def api() -> Iterator[FakeKubeApi]:
    """An API server that holds orders/checkout."""
    with FakeKubeApi() as server:
        server.jwks = json.dumps(ISSUER.jwks()).encode()
        server.issuer = NAME
        with server.cluster() as cluster:
            cluster.put("orders", "checkout", uid="u-1", annotations={"nats.io/allowed-pub-subjects": "events.>"})
        yield server
