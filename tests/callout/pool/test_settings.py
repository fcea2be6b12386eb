"""callout.pool.settings: what workers are told, made from the service's settings."""

from pathlib import Path

import pytest

from callout.config.credentials import CredentialError
from callout.config.loading import load
from callout.config.table import TABLE
from callout.pool.settings import make_worker_settings, worker_files
from callout.workspace import Workspace
from tests.idle_service import make_settings, make_variables, write
from tests.minting import NatsKey, creds, user_jwt
from workers.user_jwt import Mode


def test_workers_files_are_keys_credentials_and_certificates(tmp_path: Path) -> None:
    """Every file named NATS_… but the ceiling, which is the policy's; those that are not set are left out."""
    settings = make_settings(tmp_path, NATS_CEILING_FILE="/a", NATS_TLS_CA_FILE="/b")
    assert {settings.nats_signing_key_file, Path("/b")} == set(worker_files(settings))
    marked = {setting.name for setting in TABLE if setting.file and setting.file.for_workers}
    named = {setting.name for setting in TABLE if setting.name.startswith("NATS_") and setting.name.endswith("_FILE")}
    assert named - {"NATS_CEILING_FILE"} == marked


def test_in_server_mode_requests_are_addressed_to_the_signing_key(tmp_path: Path) -> None:
    """It is the one that the server's configuration names as issuer; user and password come out of NATS_URL."""
    url = "nats://callout:p%40ss@127.0.0.1:4222"
    settings = make_settings(tmp_path, NATS_URL=url)
    seed = settings.nats_signing_key_file.read_text()
    with Workspace(None) as workspace:
        told = make_worker_settings(settings, workspace)
        assert (str(workspace.snapshot), str(workspace.metrics)) == (told.snapshot_dir, told.metrics_dir)
    assert (Mode.SERVER, seed) == (told.mode, told.signing_seed)
    assert told.callout_account.startswith("A")
    assert (("nats://127.0.0.1:4222",), "callout", "p@ss") == (told.servers, told.user, told.password)
    assert ("", "", "") == (told.user_jwt, told.account_signing_seed, told.xkey_seed)


def test_in_operator_mode_requests_are_addressed_to_the_account_of_our_user(tmp_path: Path) -> None:
    """The key that signs may be a signing key of that account, which does not tell whose it is."""
    account, target, user = (NatsKey.generate(kind) for kind in ("account", "account", "user"))
    files = {
        "NATS_USER_CREDS_FILE": creds(user_jwt(user.public, account), user.seed),
        "NATS_ACCOUNT_SIGNING_KEY_FILE": target.seed,
    }
    named = {name: str(write(tmp_path / name, text)) for name, text in files.items()}
    settings, _ = load(make_variables(tmp_path) | named | {"NATS_MODE": "operator", "NATS_ACCOUNT": target.public})
    with Workspace(None) as workspace:
        told = make_worker_settings(settings, workspace)
    assert (Mode.OPERATOR, account.public) == (told.mode, told.callout_account)
    assert (user.seed, target.seed) == (told.user_seed, told.account_signing_seed)
    assert told.user_jwt


def test_a_key_that_is_unusable_is_told_without_its_seed(tmp_path: Path) -> None:
    """Whoever has changed it may have made a mistake; the service lives on."""
    settings, other = make_settings(tmp_path), NatsKey.generate("user")
    write(settings.nats_signing_key_file, other.seed)
    with Workspace(None) as workspace, pytest.raises(CredentialError) as caught:
        make_worker_settings(settings, workspace)
    assert str(settings.nats_signing_key_file) in str(caught.value)
    assert other.seed not in str(caught.value)
