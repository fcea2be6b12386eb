"""All that can be checked before the service starts is checked, and told at once."""

import argparse
import os
import tempfile
from pathlib import Path

import msgspec
import pytest

from callout.config.loading import ConfigError
from callout.config.table import Settings
from callout.preflight.checks import check
from callout.preflight.command import run
from tests.callout.preflight.samples import make_settings, write
from tests.commands import Done
from tests.nats_minting import CurveKey, NatsKey, creds, user_jwt
from tests.nobody import run_as_nobody


@pytest.fixture
def valid(tmp_path: Path) -> Settings:
    """Settings that are right."""
    return make_settings(tmp_path)


def run_config(_: list[str]) -> int:
    """Run `callout config`, imported while it can be: a checkout may be closed to other users."""
    return run(argparse.Namespace(markdown=False))


def run_config_as_nobody(environ: dict[str, str]) -> Done:
    """Run `callout config` as a user who may do no more than others."""
    given = {**environ, "NATS_ACCOUNT": "APP", "NATS_URL": "nats://callout:password@nats:4222"}
    return run_as_nobody(__name__, run_config.__name__, env=given)


def test_all_wrong_files_are_said_at_once(valid: Settings, tmp_path: Path) -> None:
    """One line each, wherever they are checked, and the warnings with them."""
    none = tmp_path / "none"
    ceiling = write(tmp_path / "ceiling", "", 0o606)
    wrong = msgspec.structs.replace(
        valid, nats_signing_key_file=none, jwks_path=none, snapshot_dir=none / "x", nats_ceiling_file=ceiling
    )
    with pytest.raises(ConfigError) as caught:
        check(wrong)
    names = [line.partition(":")[0] for line in caught.value.lines]
    assert ["NATS_SIGNING_KEY_FILE", "SNAPSHOT_DIR", "NATS_CEILING_FILE", "JWKS_PATH"] == names
    assert ["NATS_CEILING_FILE"] == [line.partition(":")[0] for line in caught.value.warnings]
    assert 2 == caught.value.exit_code


@pytest.mark.parametrize(("answers", "count"), [(0, 0), (1, 1), (-1, 1)])
def test_what_response_permissions_mean_is_noted(valid: Settings, answers: int, count: int) -> None:
    """No mistake, and easily overlooked."""
    report = check(msgspec.structs.replace(valid, nats_response_max=answers))
    assert ((), count) == (report.warnings, len(report.notes))
    assert all(note.startswith(f"NATS_RESPONSE_MAX is {answers}: ") for note in report.notes)


def test_the_public_key_of_each_file_is_told(valid: Settings, tmp_path: Path) -> None:
    """It is what nats.conf and the accounts' JWTs name, and no secret."""
    signing, account, user = NatsKey.generate("account"), NatsKey.generate("account"), NatsKey.generate("user")
    curve = CurveKey.generate()
    report = check(
        msgspec.structs.replace(
            valid,
            nats_signing_key_file=write(tmp_path / "signing.nk", signing.seed),
            nats_account_signing_key_file=write(tmp_path / "account.nk", account.seed),
            nats_xkey_file=write(tmp_path / "curve.nk", curve.seed),
            nats_user_creds_file=write(
                tmp_path / "some.creds", creds(user_jwt(user.public, signing, account=account.public), user.seed)
            ),
        )
    )
    assert {
        f"NATS_SIGNING_KEY_FILE: the key {signing.public}",
        f"NATS_ACCOUNT_SIGNING_KEY_FILE: the key {account.public}",
        f"NATS_XKEY_FILE: the key {curve.public}",
        f"NATS_USER_CREDS_FILE: the user {user.public} of account {account.public}",
    } == set(report.facts)


@pytest.mark.parametrize("bearer", [False, True])
def test_a_bearers_credentials_are_warned_of(valid: Settings, tmp_path: Path, bearer: bool) -> None:
    """The sentinel's lie beside the service's own; the line says which are meant."""
    user = NatsKey.generate("user")
    content = creds(user_jwt(user.public, NatsKey.generate("account"), bearer_token=bearer), user.seed)
    path = write(tmp_path / "some.creds", content)
    warnings = check(msgspec.structs.replace(valid, nats_user_creds_file=path)).warnings
    assert bearer == bool(warnings)
    for line in warnings:
        assert line.startswith(f"NATS_USER_CREDS_FILE: {path} is a bearer's, as a sentinel is")
        assert "creds/callout.creds" in line


def test_what_is_foreseen_is_no_warning_of_the_start(valid: Settings) -> None:
    """The service says it itself, when the key set is in."""
    report = check(msgspec.structs.replace(valid, jwt_audience=("kubernetes.default.svc",)))
    assert ((), 1) == (report.warnings, len(report.foreseen))


def test_what_may_not_be_read_or_written_is_refused() -> None:
    """Permissions are looked at, not only names."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o711)  # what lies in it is closed, and not the way to it
        closed = home / "closed"
        closed.mkdir(mode=0)
        files = {"SERVICEACCOUNTS_PATH": closed, "SNAPSHOT_DIR": closed, "JWKS_PATH": write(home / "jwks", "{}", 0)}
        done = run_config_as_nobody(
            {
                **{name: str(path) for name, path in files.items()},
                "NATS_SIGNING_KEY_FILE": str(write(home / "key", NatsKey.generate("account").seed, 0o644)),
                "JWT_ISSUER": "https://issuer",
            }
        )
    refused = [line.split(": ")[1] for line in done.stderr.splitlines() if " cannot be " in line]
    assert (2, sorted(files)) == (done.returncode, sorted(refused)), done.stderr


def test_files_in_a_folder_that_is_closed_to_this_user_are_a_line_each(tmp_path: Path) -> None:
    """`callout config` ends with exit code 2 and lines, the private ones' among them, and no traceback."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    names = ("NATS_CEILING_FILE", "NATS_SIGNING_KEY_FILE", "SERVICEACCOUNTS_PATH")
    environ = {name: str(closed / "file") for name in (*names, "SNAPSHOT_DIR")}
    done = run_config_as_nobody({**environ, "JWT_ISSUER": "https://issuer", "JWKS_URL": "https://issuer/keys"})
    expected = [f"callout: {name}: {closed / 'file'} cannot be read: permission denied" for name in names]
    expected.append(
        f"callout: SNAPSHOT_DIR: {closed / 'file'} cannot be used: permission denied; "
        "give a folder in memory (tmpfs) that this user may write to"
    )
    lines = sorted(done.stderr.splitlines())
    assert (2, len(expected)) == (done.returncode, len(lines))
    assert all(line.startswith(begin) for line, begin in zip(lines, sorted(expected), strict=True))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become a user without a home")
def test_a_user_without_a_home_is_told_of_the_kubeconfig() -> None:
    """In a container a user may be a mere number, and `~` stands for nothing then."""
    done = run_config_as_nobody({"K8S_IN_CLUSTER": "false", "NATS_SIGNING_KEY_FILE": "/nowhere"})
    assert (2, 2) == (done.returncode, len(done.stderr.splitlines()))
    assert "callout: KUBECONFIG: ~/.kube/config cannot be read: this user has no home folder; " in done.stderr
