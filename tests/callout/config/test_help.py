"""The settings for people: help, the README's table, and the values in force."""

import pytest

from callout.config.help import WIDTH, describe, markdown_table, show
from callout.config.loading import load
from callout.config.table import ALIASES, IGNORED, TABLE
from tests.callout.config.samples import OPERATOR, POD, YAML, read


@pytest.mark.parametrize("page", [describe(), markdown_table()])
def test_every_name_is_documented(page: str) -> None:
    """Help and README's table hold each setting, old name and ignored name."""
    for name in [*(setting.name for setting in TABLE), *ALIASES, *IGNORED]:
        assert name in page


WITHOUT_SECRETS = {"NATS_URL": "nats://nats:4222", "NATS_USER_CREDS_FILE": "/etc/nats/user.creds"}


def test_the_markdown_table_has_as_many_cells_in_each_row() -> None:
    """A stray bar would break the README's table."""
    rows = markdown_table().splitlines()
    assert {5} == {row.replace("\\|", "").count("|") for row in rows}


@pytest.mark.parametrize(
    "environ",
    [
        POD | WITHOUT_SECRETS,
        OPERATOR,
        YAML | WITHOUT_SECRETS | {"PORT": "0", "NATS_RESPONSE_MAX": "-1", "DRAIN_TIMEOUT": "1.5s"},
    ],
)
def test_what_is_shown_can_be_set(environ: dict[str, str]) -> None:
    """The settings in force, set as they are shown, are the same settings."""
    loaded = read(environ)
    assert loaded == read(show(loaded) | {"KUBERNETES_SERVICE_HOST": "10.0.0.1"})


def test_a_default_is_shown_as_it_is_documented() -> None:
    """A reader finds 1h in the table, and so 1h here."""
    shown = show(load({name: value for name, value in POD.items() if name != "NATS_URL"})[0])
    documented = {setting.name: setting.default for setting in TABLE if setting.default is not None}
    assert documented == {name: shown[name] for name in documented}


def test_the_settings_are_shown_without_secrets() -> None:
    """Neither the token nor the password is seen, wherever settings are printed."""
    loaded, _ = load(POD | {"NATS_URL": "nats://user:hunter2@nats:4222", "NATS_TOKEN": "s3cr3t"})
    assert show(loaded)["NATS_URL"] == "nats://***@nats:4222"
    assert show(loaded)["NATS_TOKEN"] == "***"
    for secret in ("hunter2", "s3cr3t", "user:"):
        assert secret not in repr(loaded)
        assert secret not in str(show(loaded))


def test_the_help_fits_a_terminal() -> None:
    """And says of each setting whether it has to be set."""
    lines = describe().splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert "NATS_ACCOUNT (required)" in lines
    assert "PORT (default 8080)" in lines
    assert "NATS_TOKEN (not set) [secret]" in lines
    assert "JWT_ISSUER (required with SERVICEACCOUNTS_PATH, otherwise asked of the API server)" in lines
