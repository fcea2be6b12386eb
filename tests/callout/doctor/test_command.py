"""`callout doctor`: what it does with its arguments, what it prints, and how it ends."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from callout.cli import main
from callout.doctor.findings import Check, Severity
from callout.secret import looks_secret
from tests.interop.environments import Environment
from tests.minting import Issuer, NatsKey

Run = Callable[..., tuple[int, str, str]]
WRONG_USAGE = 2


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command beside no server: exit code, standard output, standard error. No secret is ever printed."""
    for name in list(os.environ):
        if name.startswith(("NATS_", "JWT_", "JWKS_", "K8S_", "KUBE", "SERVICEACCOUNTS_")):
            monkeypatch.delenv(name)
    (tmp_path / "signing.nk").write_text(NatsKey.generate("account").seed)
    (tmp_path / "signing.nk").chmod(0o600)
    (tmp_path / "jwks.json").write_text(json.dumps(Issuer.generate("ES256").jwks()))
    (tmp_path / "accounts.yaml").write_text(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {namespace: orders, name: checkout}\n"
    )
    environ = {
        "NATS_URL": "nats://127.0.0.1:1",
        "NATS_ACCOUNT": "APP",
        "NATS_SIGNING_KEY_FILE": str(tmp_path / "signing.nk"),
        "JWKS_PATH": str(tmp_path / "jwks.json"),
        "JWT_ISSUER": "https://kubernetes.test",
        "SERVICEACCOUNTS_PATH": str(tmp_path / "accounts.yaml"),
    }

    def call(*arguments: str | Path, **changes: str) -> tuple[int, str, str]:
        for name, value in {**environ, **changes}.items():
            monkeypatch.setenv(name, value)
        code = main(["doctor", *map(str, arguments)])
        out, err = capsys.readouterr()
        assert not looks_secret(out + err)
        return code, out, err

    return call


def test_what_is_wrong_ends_it_with_one(run: Run) -> None:
    """A line for each check, and below what is wrong why it matters and what mends it; the verdict comes last."""
    code, out, err = run()
    assert (1, "") == (code, err)
    lines = out.splitlines()
    assert 1 == sum(line.startswith("WRONG  service user") for line in lines)
    assert Check.SERVICE_USER.why in " ".join(out.split())
    assert any(line.strip().startswith("> nats server check connection") for line in lines)
    assert lines[-1].startswith("1 wrong, ")


def test_json_says_the_same(run: Run) -> None:
    """The verdict, the counts, and each finding with what its reader needs."""
    code, out, err = run("--json")
    document = json.loads(out)
    assert (1, "") == (code, err)
    assert {"verdict", "counts", "findings"} == document.keys()
    assert set(Severity) == document["counts"].keys()
    assert len(document["findings"]) == sum(document["counts"].values())
    assert {finding["check"] for finding in document["findings"]} <= set(Check)
    for finding in document["findings"]:
        assert {"check", "severity", "what"} <= finding.keys()
        assert (finding["severity"] == Severity.OK) == ("mend" not in finding)
    assert run()[1].splitlines()[-1] == document["verdict"]


def test_what_is_not_known_does_not_end_it_with_one(run: Run, in_server_mode: Environment) -> None:
    """Only what is wrong does; and what is not known is not called well."""
    code, out, err = run(**in_server_mode.service_env())
    assert (0, "") == (code, err)
    assert out.splitlines()[-1].startswith("Nothing wrong was found, ")


def test_wrong_settings_are_all_that_is_said(run: Run) -> None:
    """Nothing can be asked with them."""
    code, out, _ = run(PORT="none")
    assert 1 == code
    assert out.startswith("WRONG  settings")
    assert "1 wrong." == out.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--accounts", "missing"),
        ("--sentinel", "missing"),
        ("--sys-creds", "missing"),
        ("--token", "missing"),
        ("--token", "x", "--serviceaccount", "a/b"),
        ("--serviceaccount", "a"),
        ("--metrics-url", "x"),
        ("--nack", "EVENTS"),
        ("--live", "yes"),
        ("--accounts", "new\nline"),
        ("--token", "\x1b[31m"),
    ],
)
def test_what_cannot_be_used_takes_one_line(run: Run, arguments: tuple[str, ...]) -> None:
    """Exit code 2, and nothing is asked."""
    code, out, err = run(*arguments)
    assert (WRONG_USAGE, "", 1) == (code, out, err.count("\n"))
    assert err.startswith("callout: ")
    assert err.rstrip("\n").isprintable()


@pytest.mark.parametrize("arguments", [(), ("--json",)])
@pytest.mark.parametrize("variable", ["JWKS_PATH", "SERVICEACCOUNTS_PATH", "NATS_SIGNING_KEY_FILE", "NATS_ACCOUNT"])
@pytest.mark.parametrize("name", ["\udcff", "new\nline", "\x1b[31m"])
def test_whatever_a_file_is_called_can_be_shown(run: Run, arguments: tuple[str, ...], variable: str, name: str) -> None:
    """On one line, and in JSON."""
    code, out, err = run(*arguments, **{variable: f"/nowhere/{name}"})
    assert (1, "") == (code, err)
    assert all(line.isprintable() for line in out.splitlines())
    assert variable in out or variable == "NATS_ACCOUNT"
    assert not arguments or json.loads(out)["findings"]


def test_the_help_names_all_options(run: Run) -> None:
    """And where settings come from."""
    code, out, _ = run("--help")
    assert 0 == code
    for option in ("--json", "--accounts", "--sys-creds", "--sentinel", "--metrics-url", "--token", "--serviceaccount"):
        assert option in out
    for option in ("--live", "--nack", "--subject", "--nack-creds", "callout config --help"):
        assert option in " ".join(out.split())
