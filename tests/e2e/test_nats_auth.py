"""The JWTs of `callout bootstrap`, in the hands of `nats auth`: the nats CLI reads a store of them as its own.

The store has nsc's layout, which both tools share. Nothing secret is in it: `nats auth` is asked to read, not to sign.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from callout.bootstrap.choices import Layout
from tests.callout.bootstrap.nsc_like import write_store
from tests.callout.bootstrap.sample import deploy
from tests.commands import Done, attempt

OPERATOR = "nats"
STORE_INFO = {"managed": False, "name": OPERATOR, "kind": "jwt", "version": "1"}
"""What nsc writes beside an operator's JWT (nsc `cmd/store/store.go`, `.nsc`)."""


class NatsAuth:
    """Runs `nats auth` on the store below `home`."""

    def __init__(self, binary: Path, home: Path) -> None:
        self.root = home / "data/nats/nsc/stores"
        self._binary = binary
        self._variables = {
            "PATH": os.defpath,
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_DATA_HOME": str(home / "data"),
        }

    def attempt(self, *words: str) -> Done:
        """Run it and return how it ended."""
        return attempt((self._binary, "auth", *words), env=self._variables)

    def read(self, *words: str) -> str:
        """Run it and return what it prints; `AssertionError` with its own words if it fails."""
        done = self.attempt(*words)
        assert 0 == done.returncode, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def auth(tools: Path, tmp_path: Path) -> NatsAuth:
    """One with an empty store."""
    return NatsAuth(tools / "nats", tmp_path)


def fill(auth: NatsAuth, **choices: Any) -> Any:
    """Put a deployment with these choices into the store, and return its record."""
    deployment = deploy(**choices)
    root = write_store(auth.root, deployment)
    (root / ".nsc").write_text(json.dumps(STORE_INFO))
    return deployment.record


@pytest.mark.parametrize("layout", list(Layout))
def test_operator_and_accounts_are_accepted(auth: NatsAuth, layout: Layout) -> None:
    """In every layout: with their keys, who signed them, and who has JetStream."""
    record = fill(auth, nack=layout, xkey=True)
    told = auth.read("operator", "info", OPERATOR)
    assert record.operator.public in told
    assert record.operator.signing[0].public in told
    assert f"System Account: SYS ({record.account('SYS').public})" in told
    for account in record.accounts:
        told = auth.read("account", "info", account.name, "--operator", OPERATOR)
        assert f"Account {account.name} ({account.public})" in told
        assert f"Issuer: {record.operator.signing[0].public}" in told
    streams = "NACK" if layout in (Layout.IMPORT, Layout.SERVICE) else "AUTH_ACCOUNT"
    assert "JetStream: true" in auth.read("account", "info", streams, "--operator", OPERATOR)


def test_the_fixed_users_are_accepted(auth: NatsAuth) -> None:
    """The sentinel as a bearer that may do nothing, the service's user with its two subjects."""
    fill(auth)
    sentinel = auth.read("user", "info", "sentinel", "AUTH_SERVICE", "--operator", OPERATOR)
    assert "Bearer Token: true" in sentinel
    assert 2 == sentinel.count("Deny: >")
    service = auth.read("user", "info", "callout", "AUTH_SERVICE", "--operator", OPERATOR)
    assert "Allow: $SYS._INBOX.>" in service
    assert "Allow: $SYS.REQ.USER.AUTH\n" in service
    for name, account in (("sys", "SYS"), ("nack", "AUTH_ACCOUNT")):
        assert f"User {name} (U" in auth.read("user", "info", name, account, "--operator", OPERATOR)


def test_a_damaged_jwt_is_not(auth: NatsAuth) -> None:
    """So being accepted says something: `nats auth` verifies."""
    fill(auth)
    place = auth.root / OPERATOR / "accounts/SYS/SYS.jwt"
    place.write_text(place.read_text().rpartition(".")[0] + "." + "A" * 86)
    done = auth.attempt("account", "info", "SYS", "--operator", OPERATOR)
    assert 0 != done.returncode
    assert "signature" in done.stderr
