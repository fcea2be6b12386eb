"""What the service decides by is read before anything starts."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from callout.config.table import Settings
from callout.preflight.inputs import Findings, check_inputs
from tests.callout.preflight.samples import make_settings, write
from tests.fake_kube_api import FakeKubeApi
from tests.minting import Issuer

ISSUER = Issuer.generate("EdDSA", "k1")
JWKS = json.dumps(ISSUER.jwks())
ACCOUNT = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: checkout, namespace: orders}}"


@pytest.fixture
def valid(tmp_path: Path) -> Settings:
    """Settings that name no input."""
    return make_settings(tmp_path)


def look(settings: Settings, **changes: object) -> Findings:
    """Check settings with some changes; every finding is one line that names the variable."""
    found = check_inputs(msgspec.structs.replace(settings, **changes))
    for line in (*found.facts, *found.warnings, *found.problems):
        assert line.partition(":")[0].isupper()
        assert len(line.splitlines()) == 1
    return found


def test_without_inputs_there_is_nothing_to_say(valid: Settings) -> None:
    """A pod asks the API server, which is not asked here."""
    assert Findings() == look(valid)


def test_good_inputs_are_told(valid: Settings, tmp_path: Path) -> None:
    """How much is in each."""
    found = look(
        valid,
        jwks_path=write(tmp_path / "jwks.json", JWKS),
        nats_ceiling_file=write(tmp_path / "ceiling", "{pub: [a, b], sub: [c]}"),
        serviceaccounts_path=write(tmp_path / "accounts.yaml", ACCOUNT),
    )
    assert (
        Findings(
            (
                "NATS_CEILING_FILE: 2 patterns to publish within, 1 pattern to subscribe within",
                "JWKS_PATH: 1 usable key: k1 (EdDSA)",
                f"SERVICEACCOUNTS_PATH: 1 ServiceAccount in {tmp_path / 'accounts.yaml'}",
            )
        )
        == found
    )


@pytest.mark.parametrize("field", ["nats_ceiling_file", "serviceaccounts_path"])
def test_an_input_that_is_not_there_is_a_problem(valid: Settings, tmp_path: Path, field: str) -> None:
    """Each of them, by its variable's name."""
    path = tmp_path / "nowhere"
    (line,) = look(valid, **{field: path}).problems
    assert line.startswith(f"{field.upper()}: {path} cannot be read: no such file or directory")


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_a_folder_or_a_pipe_is_no_file(valid: Settings, tmp_path: Path, make: Callable[[Path], None]) -> None:
    """A pipe would hold its reader up for ever."""
    path = tmp_path / "odd"
    make(path)
    for field in ("nats_ceiling_file", "jwks_path"):
        (line,) = look(valid, **{field: path}).problems
        assert line.startswith(f"{field.upper()}: {path}")
        assert "cannot be read: not a regular file" in line


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "AA"}]}', "<html>"])
def test_a_key_set_without_a_usable_key_is_a_problem(valid: Settings, tmp_path: Path, content: str) -> None:
    """Nobody could log in; the line says how to get a good one."""
    path = write(tmp_path / "jwks.json", content)
    (line,) = look(valid, jwks_path=path).problems
    assert line.startswith(f"JWKS_PATH: {path} is no key set that can be used (")
    assert "kubectl get --raw /openid/v1/jwks" in line


def test_a_bad_key_beside_a_good_one_is_warned_of(valid: Settings, tmp_path: Path) -> None:
    """The good one is in force."""
    keys = {"keys": [*ISSUER.jwks()["keys"], {"kid": "k2", "kty": "oct", "k": "AA"}]}
    found = look(valid, jwks_path=write(tmp_path / "jwks.json", json.dumps(keys)))
    assert (1, ()) == (len(found.warnings), found.problems)
    assert "key 1 ('k2') left out" in found.warnings[0]


def test_a_key_set_may_have_a_name_that_no_terminal_shows(valid: Settings, tmp_path: Path) -> None:
    """What stands in a file reaches a terminal as text."""
    jwks = json.dumps(Issuer.generate("EdDSA", "k\x1b[31m" + "x" * 200).jwks())
    (fact,) = look(valid, jwks_path=write(tmp_path / "jwks.json", jwks)).facts
    assert "\\x1b[31mx" in fact
    assert len(fact) < 120


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a: b: c", "is not valid YAML"),
        ("pub: []", '"sub" is missing'),
        ("", "a ceiling is a mapping"),
        ("{pub: [a..b], sub: []}", "'a..b' is no valid NATS subject"),
    ],
)
def test_a_ceiling_that_is_none_is_a_problem(valid: Settings, tmp_path: Path, content: str, reason: str) -> None:
    """A bound that silently does not hold would be worse."""
    path = write(tmp_path / "ceiling.yaml", content)
    (line,) = look(valid, nats_ceiling_file=path).problems
    assert line.startswith(f"NATS_CEILING_FILE: {path}")
    assert reason in line


def test_manifests_that_are_all_broken_are_a_problem(valid: Settings, tmp_path: Path) -> None:
    """Nobody is known, and it was not meant so."""
    (tmp_path / "accounts").mkdir()
    write(tmp_path / "accounts" / "a.yaml", "a: b: c")
    (line,) = look(valid, serviceaccounts_path=tmp_path / "accounts").problems
    assert line.startswith("SERVICEACCOUNTS_PATH: a.yaml: document 1 (line 1): broken YAML")


def test_only_the_namespace_that_is_served_counts(valid: Settings, tmp_path: Path) -> None:
    """A misspelt K8S_NAMESPACE leaves nobody, and is named."""
    path = write(tmp_path / "accounts.yaml", ACCOUNT)
    good, misspelt = (look(valid, serviceaccounts_path=path, k8s_namespace=name) for name in ("orders", "ordres"))
    assert ((f"SERVICEACCOUNTS_PATH: 1 ServiceAccount of K8S_NAMESPACE orders in {path}",), ()) == (
        good.facts,
        good.warnings,
    )
    (warning,) = misspelt.warnings
    assert f"{path} holds no ServiceAccount of K8S_NAMESPACE ordres in any *.yaml or *.yml" in warning


def test_a_broken_manifest_beside_a_good_one_is_warned_of(valid: Settings, tmp_path: Path) -> None:
    """It must not keep the others from being served."""
    (tmp_path / "accounts").mkdir()
    write(tmp_path / "accounts" / "a.yaml", "a: b: c")
    write(tmp_path / "accounts" / "b.yaml", ACCOUNT)
    found = look(valid, serviceaccounts_path=tmp_path / "accounts")
    assert (1, ()) == (len(found.warnings), found.problems)
    assert (f"SERVICEACCOUNTS_PATH: 1 ServiceAccount in {tmp_path / 'accounts'}",) == found.facts


@pytest.mark.parametrize("content", [None, "# nobody yet"])
def test_no_serviceaccounts_at_all_are_warned_of(valid: Settings, tmp_path: Path, content: str | None) -> None:
    """The folder may be filled later, or may be the wrong one."""
    folder = tmp_path / "accounts"
    folder.mkdir()
    if content is not None:
        write(folder / "a.yaml", content)
    found = look(valid, serviceaccounts_path=folder)
    expected = (
        f"SERVICEACCOUNTS_PATH: {folder} holds no ServiceAccount in any *.yaml or *.yml: nobody can log in; put "
        "manifests there, each document with kind: ServiceAccount"
    )
    assert ((expected,), ()) == (found.warnings, found.problems)


def test_a_kubeconfig_is_looked_at_if_it_is_used(valid: Settings, tmp_path: Path) -> None:
    """Not in a pod, and not with ServiceAccounts from files."""
    outside = msgspec.structs.replace(valid, k8s_in_cluster=False, kubeconfig=str(tmp_path / "none"))
    assert 1 == len(look(outside).problems)
    assert () == look(outside, k8s_in_cluster=True).problems
    assert () == look(outside, serviceaccounts_path=write(tmp_path / "a.yaml", ACCOUNT)).problems
    with FakeKubeApi() as api:
        good = look(outside, kubeconfig=str(api.write_kubeconfig(tmp_path / "config")))
        assert (f"KUBECONFIG: the API server is {api.url}",) == good.facts
        assert [] == api.requests
