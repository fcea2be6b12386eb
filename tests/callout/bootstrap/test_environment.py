"""callout.env, as a shell and the service read it."""

from pathlib import Path

import pytest

from callout.bootstrap.environment import describe_service, find_server, render_environment
from callout.bootstrap.rotation import rotate
from callout.config.loading import load
from tests.callout.bootstrap.sample import NOW, deploy
from tests.interop.bootstrapped import read_env
from workers.nkeys import KeyPair, Kind


@pytest.mark.parametrize("sealed", [True, False])
def test_the_service_takes_it(sealed: bool) -> None:
    """Its settings are valid; all files are named by absolute paths."""
    record = deploy(xkey=sealed).record
    variables = describe_service(record, Path("/srv/nats"))
    settings, _ = load({**variables, "SERVICEACCOUNTS_PATH": "x", "JWKS_PATH": "y", "JWT_ISSUER": "z"})
    assert record.account("AUTH_ACCOUNT").public == settings.nats_account
    assert "operator" == settings.nats_mode
    assert Path("/srv/nats/seeds/AUTH_SERVICE-signing-1.nk") == settings.nats_signing_key_file
    assert Path("/srv/nats/seeds/AUTH_ACCOUNT-signing-1.nk") == settings.nats_account_signing_key_file
    assert Path("/srv/nats/creds/callout.creds") == settings.nats_user_creds_file
    assert (Path("/srv/nats/seeds/xkey.nk") if sealed else None) == settings.nats_xkey_file


@pytest.mark.parametrize("folder", ["/srv/nats", "/with blank", "/it's $HOME `here`", '/a"b;c'])
def test_a_shell_reads_it(tmp_path: Path, folder: str) -> None:
    """Whatever the folder is called."""
    record = deploy().record
    (tmp_path / "callout.env").write_text(render_environment(record, Path(folder)))
    assert describe_service(record, Path(folder)) == read_env(tmp_path)


def test_a_new_key_has_a_new_path() -> None:
    """So that a service that runs goes on with the old one until it is started anew."""
    record = deploy().record
    both = rotate(record, "AUTH_ACCOUNT", KeyPair(Kind.ACCOUNT, b"f" * 32).public, NOW)
    before, after = (describe_service(one, Path("/srv")) for one in (record, both))
    assert {"NATS_ACCOUNT_SIGNING_KEY_FILE"} == {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("127.0.0.1:4222", "127.0.0.1:4222"),
        ("0.0.0.0:1", "127.0.0.1:1"),
        ("[::]:1", "127.0.0.1:1"),
        ("[::1]:1", "[::1]:1"),
        ("nats.example.com:4222", "nats.example.com:4222"),
    ],
)
def test_all_addresses_are_reached_by_the_loopback(listen: str, expected: str) -> None:
    """Nobody can connect to 0.0.0.0."""
    assert expected == find_server(listen)
