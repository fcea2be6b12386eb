"""`callout config`: the settings in force, without secrets, and a verdict."""

import json
import os
import sys
from pathlib import Path

import pytest

from callout.config.combinations import NO_POD
from callout.config.help import markdown_table
from callout.config.table import TABLE
from tests.commands import Done, attempt
from tests.minting import Issuer
from tests.nats_minting import NatsKey

SEED = NatsKey.generate("account").seed
ISSUER = Issuer.generate("EdDSA", "k1")
ACCOUNT = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: checkout, namespace: orders}}"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A valid environment, of a pod."""
    key = tmp_path / "signing.key"
    key.write_text(SEED)
    key.chmod(0o600)
    return {
        "NATS_URL": "nats://callout:password@nats:4222",
        "NATS_ACCOUNT": "APP",
        "NATS_SIGNING_KEY_FILE": str(key),
        "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    }


def run(environ: dict[str, str], *arguments: str, command: str = "config") -> Done:
    """Run the command in a process of its own, with this environment alone."""
    return attempt(
        [sys.executable, "-c", "import sys; from callout.cli import main; sys.exit(main())", command, *arguments],
        env=environ,
    )


def test_valid_settings_are_shown_and_called_valid(environ: dict[str, str]) -> None:
    """Each setting has a line; what is not set is a default or a dash."""
    done = run(environ | {"NATS_TOKEN": "s3cr3t", "NATS_URL": "nats://u:hunter2@nats:4222", "PORT": "0"})
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert "The settings are valid." == lines[-1]
    lines = lines[: lines.index("")]
    assert [setting.name for setting in TABLE] == [line.split()[0] for line in lines]
    shown = {line.split()[0]: line.split()[1:] for line in lines}
    assert ["nats://***@nats:4222"] == shown["NATS_URL"]
    assert ["***"] == shown["NATS_TOKEN"]
    assert ["0"] == shown["PORT"]
    assert ["info", "(default)"] == shown["LOG_LEVEL"]
    assert ["-"] == shown["NATS_XKEY_FILE"]
    for secret in ("s3cr3t", "hunter2", SEED):
        assert secret not in done.stdout + done.stderr


def test_wrong_settings_are_called_not_valid(environ: dict[str, str]) -> None:
    """Exit code 2, and a line for each mistake and each warning on standard error."""
    done = run(environ | {"PORT": "x", "NATS_WORKERS": "x", "LOGLEVEL": "debug"})
    assert done.returncode == 2
    assert "The settings are not valid." == done.stdout.splitlines()[-1]
    assert [
        "callout: warning: LOGLEVEL: is no setting of this service; was LOG_LEVEL meant?",
        "callout: NATS_WORKERS: 'x' is not right; give a whole number from 1 to 256",
        "callout: PORT: 'x' is not right; give a whole number from 0 to 65535",
    ] == done.stderr.splitlines()


def test_what_was_understood_of_wrong_settings_is_shown(environ: dict[str, str]) -> None:
    """Each setting has its line, and those that are wrong or missing are marked."""
    yaml = {"SERVICEACCOUNTS_PATH": "/accounts", "JWKS_PATH": "/jwks.json"}
    done = run(environ | yaml | {"PORT": "http", "NATS_TOKEN": "s3cr3t", "NATS_URL": "nats://u:hunter2@nats:4222"})
    lines = done.stdout.splitlines()
    shown = {line.split()[0]: line.split()[1:] for line in lines[: lines.index("")]}
    assert [setting.name for setting in TABLE] == list(shown)
    assert (["(wrong)"], ["(missing)"]) == (shown["PORT"], shown["JWT_ISSUER"])
    assert (["nats://***@nats:4222"], ["/jwks.json"]) == (shown["NATS_URL"], shown["JWKS_PATH"])
    assert (["info", "(default)"], ["-"]) == (shown["LOG_LEVEL"], shown["NATS_XKEY_FILE"])
    assert not [secret for secret in ("s3cr3t", "hunter2", SEED) if secret in done.stdout + done.stderr]


def test_settings_that_need_a_pod_are_called_so_outside_of_one(environ: dict[str, str]) -> None:
    """They may be meant for a pod, and checked elsewhere; the service itself cannot run, and says so in a line."""
    del environ["KUBERNETES_SERVICE_HOST"]
    asked, served = (run(environ, command=command) for command in ("config", "serve"))
    assert "The settings are valid in a pod, and this is none." == asked.stdout.splitlines()[-1]
    assert (0, f"callout: warning: {NO_POD}\n") == (asked.returncode, asked.stderr)
    assert (2, f"callout: {NO_POD}\n") == (served.returncode, served.stderr)


def test_a_misspelt_name_is_told_before_what_comes_of_it(environ: dict[str, str]) -> None:
    """By the service, too: the warning may explain what is wrong."""
    done = run(environ | {"NATS_XKEYFILE": "/xkey", "JWKS_PATH": "/nowhere"}, command="serve")
    assert ["warning", "JWKS_PATH"] == [line.split(": ")[1] for line in done.stderr.splitlines()]


@pytest.mark.parametrize(("url", "warned"), [("nats://nats:4222", True), ("nats://callout:password@nats:4222", False)])
def test_a_service_that_does_not_say_who_it_is_is_warned_of(environ: dict[str, str], url: str, warned: bool) -> None:
    """Valid, since the server may know it by other means; else it would ask the service about itself."""
    done = run(environ | {"NATS_URL": url})
    assert done.returncode == 0
    assert warned == done.stderr.startswith("callout: warning: NATS_URL: names no user")


def test_what_the_service_will_warn_of_is_told(environ: dict[str, str]) -> None:
    """Valid all the same; here nobody looks at a log."""
    done = run(environ | {"JWT_AUDIENCE": "https://kubernetes.default.svc"})
    assert (0, 1) == (done.returncode, len(done.stderr.splitlines()))
    assert done.stderr.startswith("callout: warning: JWT_AUDIENCE: https://kubernetes.default.svc is for the API ")


def test_wrong_files_are_called_not_valid(environ: dict[str, str]) -> None:
    """The settings are shown all the same: they are what was understood."""
    done = run(environ | {"JWKS_PATH": "/nowhere"})
    assert done.returncode == 2
    assert "The settings are not valid." == done.stdout.splitlines()[-1]
    assert done.stderr.startswith("callout: JWKS_PATH: /nowhere cannot be read: no such file or directory")
    assert 1 == len(done.stderr.splitlines())


def test_what_the_files_hold_is_told(environ: dict[str, str], tmp_path: Path) -> None:
    """A line for each that decides who gets in, and what the default of NATS_RESPONSE_MAX means."""
    (tmp_path / "jwks.json").write_text(json.dumps(ISSUER.jwks()))
    (tmp_path / "accounts.yaml").write_text(ACCOUNT)
    files = {"JWKS_PATH": str(tmp_path / "jwks.json"), "SERVICEACCOUNTS_PATH": str(tmp_path / "accounts.yaml")}
    done = run(environ | files | {"JWT_ISSUER": "https://issuer"})
    assert (0, "") == (done.returncode, done.stderr)
    assert [
        "JWKS_PATH: 1 usable key: k1 (EdDSA)",
        f"SERVICEACCOUNTS_PATH: 1 ServiceAccount in {tmp_path / 'accounts.yaml'}",
    ] == done.stdout.splitlines()[-4:-2]
    assert done.stdout.splitlines()[-2].startswith("NATS_RESPONSE_MAX is 1: no bound on publishing holds against ")
    assert "The settings are valid." == done.stdout.splitlines()[-1]


def test_without_response_permissions_there_is_nothing_to_note(environ: dict[str, str]) -> None:
    """The bounds hold then."""
    done = run(environ | {"NATS_RESPONSE_MAX": "0"})
    *_, blank, key, verdict = done.stdout.splitlines()
    assert ("", "The settings are valid.") == (blank, verdict)
    assert key.startswith("NATS_SIGNING_KEY_FILE: the key A")


def test_the_service_does_not_start_with_files_that_are_not_valid(environ: dict[str, str], tmp_path: Path) -> None:
    """It says what `callout config` says, and ends with the same exit code."""
    (tmp_path / "jwks.json").write_text("{}")
    (tmp_path / "accounts.yaml").write_text("a: b: c")
    files = {"JWKS_PATH": str(tmp_path / "jwks.json"), "SERVICEACCOUNTS_PATH": str(tmp_path / "accounts.yaml")}
    asked, served = (
        run(environ | files | {"JWT_ISSUER": "https://issuer"}, command=command) for command in ("config", "serve")
    )
    assert (2, 2) == (asked.returncode, served.returncode)
    assert asked.stderr.splitlines() == served.stderr.splitlines()
    assert ["JWKS_PATH", "SERVICEACCOUNTS_PATH"] == [line.split(": ")[1] for line in asked.stderr.splitlines()]


def test_the_help_holds_every_setting() -> None:
    """It needs no valid environment, and no terminal that knows more than ASCII."""
    done = run({"PYTHONIOENCODING": "ascii", "PORT": "x"}, "--help")
    assert done.returncode == 0
    assert not done.stderr
    for setting in TABLE:
        assert f"{setting.name} (" in done.stdout
    assert "A name that looks like one of them and is none" in done.stdout


def test_the_table_for_the_readme_is_printed() -> None:
    """The README's table is made, not written."""
    done = run({"PYTHONIOENCODING": "utf-8"}, "--markdown")
    assert markdown_table() == done.stdout
    assert done.returncode == 0


def test_a_value_that_the_terminal_cannot_show_is_no_failure(environ: dict[str, str]) -> None:
    """Names outside of ASCII are escaped where they have to be."""
    done = run(environ | {"NATS_ACCOUNT": "Büro", "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert "B\\xfcro" in done.stdout


def test_bytes_that_are_no_text_are_a_mistake_like_another(environ: dict[str, str]) -> None:
    """An environment may hold anything."""
    done = run(environ | {"NATS_ACCOUNT": os.fsdecode(b"\xff\xfe"), "JWKS_PATH": os.fsdecode(b"/\xff")})
    assert done.returncode == 2
    assert ["NATS_ACCOUNT", "JWKS_PATH"] == [line.split(":")[1].strip() for line in done.stderr.splitlines()]
