"""Environments that the tests of the settings begin with, and what comes of them."""

from collections.abc import Mapping

import pytest
from hypothesis import settings

from callout.config.loading import ConfigError, load
from callout.config.table import Settings
from tests.nats_minting import NatsKey

MODERATE = settings(max_examples=200, deadline=None)
ACCOUNT = NatsKey.generate("account")

# What is needed at the least, in a pod; a row of a test states only what differs.
POD = {
    "NATS_URL": "nats://callout:password@nats:4222",
    "NATS_ACCOUNT": "APP",
    "NATS_SIGNING_KEY_FILE": "/etc/nats/signing.key",
    "KUBERNETES_SERVICE_HOST": "10.0.0.1",
}
OPERATOR = POD | {
    "NATS_MODE": "operator",
    "NATS_URL": "nats://nats:4222",
    "NATS_ACCOUNT": ACCOUNT.public,
    "NATS_ACCOUNT_SIGNING_KEY_FILE": "/etc/nats/account.key",
    "NATS_USER_CREDS_FILE": "/etc/nats/user.creds",
}
YAML = POD | {"SERVICEACCOUNTS_PATH": "/accounts", "JWKS_PATH": "/jwks.json", "JWT_ISSUER": "https://issuer"}


def read(environ: Mapping[str, str]) -> Settings:
    """Load settings that deserve no warning."""
    loaded, warnings = load(environ, lambda: 4)
    assert warnings == []
    return loaded


def refuse(environ: Mapping[str, str]) -> list[str]:
    """Return the lines that an environment is refused with."""
    with pytest.raises(ConfigError) as caught:
        load(environ, lambda: 4)
    assert all(len(line.splitlines()) == 1 for line in caught.value.lines)
    assert caught.value.exit_code == 2
    return list(caught.value.lines)
