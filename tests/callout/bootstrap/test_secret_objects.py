"""The Secrets for Kubernetes."""

from pathlib import Path
from typing import Any

import yaml

from callout.bootstrap.choices import Layout
from callout.bootstrap.secret_objects import render_secrets
from callout.config.credentials import read_seed, read_user_credentials
from tests.callout.bootstrap.sample import deploy
from workers.nkeys import Kind


def secrets(**given: Any) -> dict[str, dict[str, str]]:
    """The Secrets' contents, by namespace and name."""
    documents = list(yaml.safe_load_all(render_secrets(deploy(**given)).reveal()))
    assert {("v1", "Secret", "Opaque")} == {(one["apiVersion"], one["kind"], one["type"]) for one in documents}
    return {f"{one['metadata']['namespace']}/{one['metadata']['name']}": one["stringData"] for one in documents}


def test_each_secret_is_where_it_is_used() -> None:
    """The service's and the administrator's beside NATS, NACK's beside NACK."""
    found = secrets(namespace="messaging", nack_namespace="streams")
    assert {
        "messaging/nats-callout": {"user.creds", "signing.key", "account-signing.key"},
        "messaging/nats-sys-creds": {"sys.creds"},
        "streams/nack-nats-creds": {"nack.creds"},
    } == {name: set(content) for name, content in found.items()}
    assert "nack-system/nack-nats-creds" not in secrets(nack=Layout.NONE)


def test_files_from_secrets_are_read(tmp_path: Path) -> None:
    """Credentials and seeds are as they are in the folder."""
    deployment = deploy(xkey=True)
    for name, content in secrets(xkey=True)["nats-system/nats-callout"].items():
        (tmp_path / name).write_text(content)
    record = deployment.record
    service, clients = record.account("AUTH_SERVICE"), record.account("AUTH_ACCOUNT")
    assert record.users["callout"] == read_user_credentials(tmp_path / "user.creds").key.public
    assert service.signing[0].public == read_seed(tmp_path / "signing.key", Kind.ACCOUNT).public
    assert clients.signing[0].public == read_seed(tmp_path / "account-signing.key", Kind.ACCOUNT).public
    assert record.xkey == read_seed(tmp_path / "xkey.key", Kind.CURVE).public


def test_the_head_does_not_write_over_what_is_there() -> None:
    """Where a deployment runs that would be its keys; after a rotation alone they are to be replaced."""
    head, *_ = render_secrets(deploy()).reveal().partition("apiVersion")
    assert "kubectl create --filename it" in head
    assert "kubectl apply after --rotate alone" in head


def test_credentials_can_be_read_by_people() -> None:
    """They are blocks, not one line with escapes."""
    assert "  user.creds: |\n    -----BEGIN NATS USER JWT-----\n" in render_secrets(deploy()).reveal()
