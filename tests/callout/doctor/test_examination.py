"""The whole examination: what fails keeps nothing else from being asked, and each thing has its place."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callout.doctor.examination import examine
from callout.doctor.findings import Check, Finding, Severity
from callout.doctor.request import Request
from callout.given_token import ABOUT_BLANKS, GivenToken
from callout.manifests.manifest import derive_uid
from tests.fake_kube_api import FakeKubeApi, Status
from tests.minting import Issuer, NatsKey
from tests.waiting import PATIENCE_SECONDS

NAME = "https://kubernetes.test"
SIGNER = Issuer.generate("ES256", "k1")
MANIFEST = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {namespace: orders, name: checkout}\n"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Settings for files, and for a server that is not there."""
    (tmp_path / "signing.nk").write_text(NatsKey.generate("account").seed)
    (tmp_path / "signing.nk").chmod(0o600)
    (tmp_path / "jwks.json").write_text(json.dumps(SIGNER.jwks()))
    (tmp_path / "accounts.yaml").write_text(MANIFEST)
    return {
        "NATS_URL": "nats://callout:password@127.0.0.1:1",
        "NATS_ACCOUNT": "APP",
        "NATS_SIGNING_KEY_FILE": str(tmp_path / "signing.nk"),
        "JWKS_PATH": str(tmp_path / "jwks.json"),
        "JWT_ISSUER": NAME,
        "SERVICEACCOUNTS_PATH": str(tmp_path / "accounts.yaml"),
    }


@pytest.fixture
def api() -> Iterator[FakeKubeApi]:
    """An API server that holds orders/checkout."""
    with FakeKubeApi() as server:
        server.jwks = json.dumps(SIGNER.jwks()).encode()
        server.issuer = NAME
        with server.cluster() as cluster:
            cluster.put("orders", "checkout", uid="u-1")
        yield server


def with_api(environ: dict[str, str], api: FakeKubeApi, folder: Path) -> dict[str, str]:
    """The same settings for an API server."""
    kept = {name: environ[name] for name in ("NATS_URL", "NATS_ACCOUNT", "NATS_SIGNING_KEY_FILE")}
    return kept | {"KUBECONFIG": str(api.write_kubeconfig(folder / "kubeconfig")), "K8S_IN_CLUSTER": "false"}


def find(environ: dict[str, str], **request: Any) -> list[Finding]:
    """All that is found."""
    return asyncio.run(asyncio.wait_for(examine(environ, Request(**request)), PATIENCE_SECONDS))


def severities(findings: list[Finding]) -> dict[Check, Severity]:
    """How each came out."""
    return {finding.check: finding.severity for finding in findings}


def make_token(uid: str = derive_uid("orders", "checkout"), **changes: Any) -> str:
    """A token of orders/checkout, good unless something is changed."""
    given: dict[str, Any] = {"audience": "nats", "issuer": NAME, "now": time.time()} | changes
    return SIGNER.token("orders", "checkout", uid, **given)


def test_wrong_settings_come_first_and_alone(environ: dict[str, str]) -> None:
    """With them there is nothing to ask: each is a finding, with the variable's name."""
    findings = find(environ | {"NATS_USER_TTL": "soon", "PORT": "none", "JWKS_PATH": "/nowhere/keys"})
    assert {Check.SETTINGS: Severity.WRONG} == severities(findings)
    assert {"NATS_USER_TTL", "PORT"} == {finding.what.partition(":")[0] for finding in findings}
    assert all(finding.mend.startswith("callout config") for finding in findings)


def test_a_file_that_is_not_what_it_should_be_is_a_matter_of_settings(environ: dict[str, str]) -> None:
    """As for `callout serve`, which does not start with it."""
    (finding,) = find(environ | {"JWKS_PATH": "/nowhere/keys"})
    assert (Check.SETTINGS, Severity.WRONG) == (finding.check, finding.severity)
    assert finding.what.startswith("JWKS_PATH: ")


def test_a_warning_keeps_nothing_from_being_asked(environ: dict[str, str]) -> None:
    """It is worth a notice."""
    found = find(environ | {"NATS_ACOUNT": "x"})
    assert (Check.SETTINGS, Severity.NOTICE) == (found[0].check, found[0].severity)
    assert "NATS_ACOUNT" in found[0].what
    assert Check.KEY_SET in severities(found)


def test_without_a_server_all_else_is_asked(environ: dict[str, str]) -> None:
    """In the order of the checks, whatever came first."""
    findings = find(environ, given=GivenToken(make_token()))
    assert {
        Check.SETTINGS: Severity.OK,
        Check.SERVICE_USER: Severity.WRONG,
        Check.SIGNING_KEY: Severity.UNKNOWN,
        Check.XKEY: Severity.UNKNOWN,
        Check.KEY_SET: Severity.OK,
        Check.ISSUER: Severity.UNKNOWN,
        Check.AUDIENCE: Severity.OK,
        Check.TOKEN: Severity.OK,
        Check.CLUSTER_RIGHTS: Severity.OK,
        Check.CLOCKS: Severity.UNKNOWN,
    } == severities(findings)
    order = [list(Check).index(finding.check) for finding in findings]
    assert sorted(order) == order


def test_a_cluster_as_it_should_be(environ: dict[str, str], api: FakeKubeApi, tmp_path: Path) -> None:
    """Key set, issuer, rights, the token's owner and the clock, all by the API server."""
    found = severities(find(with_api(environ, api, tmp_path), given=GivenToken(make_token("u-1"))))
    checks = (Check.KEY_SET, Check.ISSUER, Check.AUDIENCE, Check.TOKEN, Check.CLUSTER_RIGHTS, Check.CLOCKS)
    assert {Severity.OK} == {found[check] for check in checks}


def test_a_token_is_made_by_the_api_server(environ: dict[str, str], api: FakeKubeApi, tmp_path: Path) -> None:
    """Where it makes none, it is not known whether a token would do; and how to make one is said."""
    findings = find(with_api(environ, api, tmp_path), serviceaccount=("orders", "checkout"))
    (finding,) = (one for one in findings if one.check is Check.TOKEN)
    assert Severity.UNKNOWN == finding.severity
    assert finding.mend.startswith("kubectl create token -n orders checkout --audience=nats >token  # and give --token")


def test_no_token_is_made_without_an_api_server(environ: dict[str, str]) -> None:
    """The line says what to give instead."""
    (finding,) = (one for one in find(environ, serviceaccount=("orders", "checkout")) if one.check is Check.TOKEN)
    assert (Severity.UNKNOWN, True) == (finding.severity, "no API server is used" in finding.what)


def test_without_a_key_set_no_token_is_judged(environ: dict[str, str], api: FakeKubeApi, tmp_path: Path) -> None:
    """And the rights that are missing are named all the same."""
    for kind in ("jwks", "issuer"):
        api.fail(kind, Status(403), Status(403), Status(403))
    findings = find(with_api(environ, api, tmp_path), given=GivenToken(make_token("u-1")))
    found = severities(findings)
    assert (Severity.WRONG, Severity.UNKNOWN) == (found[Check.KEY_SET], found[Check.TOKEN])
    (rights,) = (one for one in findings if one.check is Check.CLUSTER_RIGHTS)
    assert Severity.WRONG == rights.severity
    assert "--clusterrole=system:service-account-issuer-discovery" in rights.mend


@pytest.mark.parametrize("changes", [{}, {"audience": "vault"}])
def test_what_is_to_be_known_of_the_tokens_file_stands_below_it(
    environ: dict[str, str], changes: dict[str, str]
) -> None:
    """Whether the token is good or not: blanks around it were left out here, and a client might send them."""
    token = make_token(**changes)
    for remark, details in (("", ()), (ABOUT_BLANKS, (ABOUT_BLANKS,))):
        (finding,) = (one for one in find(environ, given=GivenToken(token, remark)) if one.check is Check.TOKEN)
        assert (Severity.WRONG if changes else Severity.OK, details) == (finding.severity, finding.details)


def test_an_api_server_that_is_not_there_keeps_nothing_from_being_asked(
    environ: dict[str, str], api: FakeKubeApi, tmp_path: Path
) -> None:
    """It is what is wrong with key set and rights; NATS is asked all the same."""
    lost = with_api(environ, api, tmp_path)
    api.close()
    found = severities(find(lost))
    assert {Severity.WRONG} == {found[check] for check in (Check.KEY_SET, Check.CLUSTER_RIGHTS, Check.SERVICE_USER)}


def test_no_finding_holds_a_token(environ: dict[str, str]) -> None:
    """Good or bad."""
    for token in (make_token(), make_token(audience="vault"), "junk-token-of-nobody"):
        for finding in find(environ, given=GivenToken(token)):
            assert token.rpartition(".")[2] not in finding.what + finding.mend + "".join(finding.details)
