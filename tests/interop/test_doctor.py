"""`callout doctor` against real servers: all well where it is, and for each sabotage the finding that names it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from callout.doctor.web import read_pages
from tests.fake_kube_api import FakeKubeApi, Status
from tests.interop.changing_cluster import ApiCluster, ChangingCluster, key_set
from tests.interop.clients import open_client
from tests.interop.environments import BINARIES, Environment, Setting
from tests.interop.operation import on, serve
from tests.interop.patient import DOCTOR, Patient, of_severity
from tests.interop.sabotages import (
    DEFAULT_SENTINEL,
    OPERATOR,
    SABOTAGES,
    SEALED_OPERATOR,
    SEALED_SERVER,
    SERVER,
    Sabotage,
    give_the_service_all_rights,
    name_the_sentinels_credentials,
)
from tests.minting import ABSENT, CurveKey, Issuer, NatsKey, creds, decode_nats_jwt, encode_nats_jwt, user_jwt
from tests.waiting import PATIENCE_SECONDS, until
from workers.reasons import Reason

JETSTREAM_SECONDS = 10
MOST_WORKERS = 4
"""Of a replica that is wrong, beside one worker that is right: some login meets one of these."""
DENY_ALL = {"deny": [">"]}


@pytest.fixture
def patient(environment: Environment, cluster: ChangingCluster, tmp_path: Path) -> Patient:
    """One with all the files that a doctor may want, and no service running yet."""
    made = Patient(environment, cluster, tmp_path)
    made.give_all()
    return made


@pytest.fixture
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A fresh server for each test: these tests spoil them."""
    home = tmp_path / "nats"
    home.mkdir()
    with Environment(request.param, home) as running:
        yield running


@on(
    SERVER,
    SEALED_SERVER,
    SEALED_OPERATOR,
    DEFAULT_SENTINEL,
    *(Setting("server", xkey=False, binary=binary) for binary in BINARIES[1:]),
)
async def test_all_is_well(environment: Environment, tmp_path: Path) -> None:
    """A deployment as the documentation has it: everything is looked at, and nothing is wrong or unknown."""
    with FakeKubeApi() as api:
        cluster = ApiCluster(tmp_path, api)
        cluster.put("orders", "checkout")
        async with Patient(environment, cluster, tmp_path) as patient:
            patient.give_all()
            await patient.serve()
            code, findings = await patient.examine()
    assert ({}, {}) == (of_severity(findings, "wrong"), of_severity(findings, "unknown"))
    assert 0 == code
    looked_at = {"answered", "junk token", "responders", "login", "permissions", "round trip", "clocks", "issuer"}
    assert looked_at <= findings.keys()
    assert findings["permissions"]["details"][0].startswith("publish: orders.>")


@on(SERVER, OPERATOR)
async def test_what_cannot_be_known_is_said(patient: Patient) -> None:
    """Without `--live` and without any file nothing is called well that was not looked at."""
    patient.options.clear()
    code, findings = await patient.examine(live=False)
    assert 0 == code
    missing = {"account key", "allowed account", "auth users", "sentinel", "xkey"}
    expected = missing if patient.is_operator_mode else {"signing key", "xkey"}
    assert expected | {"issuer", "clocks"} == of_severity(findings, "unknown").keys()
    assert all(finding["mend"] for finding in findings.values() if finding["severity"] == "unknown")


@pytest.mark.parametrize(
    ("environment", "sabotage", "check", "mend"),
    [
        pytest.param(setting, sabotage, check, mend, id=f"{setting}-{sabotage.__name__}-{check}")
        for setting, sabotage, check, mend in SABOTAGES
    ],
    indirect=["environment"],
)
async def test_a_sabotage_is_found(patient: Patient, sabotage: Sabotage, check: str, mend: str) -> None:
    """The right thing is called wrong, with why it matters and the command that mends it, and the exit code is 1."""
    async with patient:
        await sabotage(patient)
        code, findings = await patient.examine()
    assert 1 == code
    assert "wrong" == findings[check]["severity"], findings
    assert mend in findings[check]["mend"]
    assert findings[check]["why"]


@on(OPERATOR)
@pytest.mark.parametrize("is_served", [False, True])
async def test_the_sentinel_is_never_let_past_the_callout(patient: Patient, is_served: bool) -> None:
    """Clients have its JWT: named in auth_users it would let each of them in, unasked; no command does that."""
    async with patient:
        if is_served:
            await patient.serve()
        await name_the_sentinels_credentials(patient)
        code, findings = await patient.examine()
    assert 1 == code
    assert "notice" == findings["settings"]["severity"]
    assert "it is a bearer, as a sentinel is" in findings["service user"]["what"]
    sentinel = patient.environment.keys.sentinel.public
    assert [] == [check for check, finding in findings.items() if sentinel in finding.get("mend", "")]


@on(SERVER, OPERATOR)
async def test_too_many_rights_are_worth_a_notice(patient: Patient) -> None:
    """A service's user who may do everything works, and is more than is needed."""
    async with patient:
        await give_the_service_all_rights(patient)
        code, findings = await patient.examine(live=False)
    assert 0 == code
    assert "notice" == findings["service rights"]["severity"]


SENTINELS: dict[str, tuple[dict[str, Any], str]] = {
    "ends": ({"exp": 4_000_000_000}, "expires"),
    "has ended": ({"exp": 1}, "has expired"),
    "needs a seed": ({"bearer_token": False}, "is no bearer"),
    "has limits": ({"subs": ABSENT, "data": ABSENT, "payload": 0}, "subs 0, data 0, payload 0"),
    "may publish": ({"pub": {}}, "may publish"),
    "may do anything": ({"pub": {}, "sub": {}}, "may publish and subscribe"),
}


@on(OPERATOR)
@pytest.mark.parametrize("fault", SENTINELS)
async def test_a_bad_sentinel_is_found(patient: Patient, fault: str) -> None:
    """Each thing that a sentinel must be is looked at."""
    keys = patient.environment.keys
    changes, words = SENTINELS[fault]
    given: dict[str, Any] = {"pub": DENY_ALL, "sub": DENY_ALL, "bearer_token": True} | changes
    claims = {name: given.pop(name) for name in ("exp",) if name in given}
    made = decode_nats_jwt(user_jwt(keys.sentinel.public, keys.issuer, name="guest", **given))
    jwt = encode_nats_jwt(made | claims, keys.issuer)
    patient.options["--sentinel"] = patient.write("sentinel.jwt", jwt)
    code, findings = await patient.examine(live=False)
    assert 1 == code
    assert words in findings["sentinel"]["what"]
    assert findings["sentinel"]["mend"].startswith("nsc edit user --name guest --bearer --deny-pubsub '>'")


@on(SERVER)
async def test_missing_rights_in_the_cluster_are_found(environment: Environment, tmp_path: Path) -> None:
    """The rule that is missing comes as the kubectl command that grants it."""
    with FakeKubeApi() as api:
        patient = Patient(environment, ApiCluster(tmp_path, api), tmp_path)
        api.fail("list", Status(403))
        api.fail("watch", Status(403))
        _, findings = await patient.examine(live=False)
        account_rights = findings["cluster rights"]
        api.fail("jwks", Status(403), Status(403))
        api.fail("issuer", Status(403), Status(403))
        _, findings = await patient.examine(live=False)
    assert "may not list ServiceAccounts, watch ServiceAccounts" in account_rights["what"]
    grant = "kubectl create clusterrole nats-k8s-oidc-callout --verb=get,list,watch --resource=serviceaccounts"
    assert account_rights["mend"].startswith(grant)
    assert "--clusterrole=system:service-account-issuer-discovery" in findings["cluster rights"]["mend"]
    assert "wrong" == findings["key set"]["severity"]


@on(SERVER)
async def test_another_issuer_is_found(environment: Environment, tmp_path: Path) -> None:
    """JWT_ISSUER and JWKS_PATH are compared with what the API server says."""
    with FakeKubeApi() as api:
        patient = Patient(environment, ApiCluster(tmp_path, api), tmp_path)
        patient.environ["JWT_ISSUER"] = "https://elsewhere.example"
        _, findings = await patient.examine(live=False)
        assert f"export JWT_ISSUER={api.issuer}" == findings["issuer"]["mend"]
        del patient.environ["JWT_ISSUER"]
        patient.environ["JWKS_PATH"] = patient.write("keys", json.dumps(key_set(Issuer.generate("ES256"))))
        code, findings = await patient.examine(live=False)
    assert 1 == code
    assert "unset JWKS_URL JWKS_PATH" in findings["issuer"]["mend"]


@on(OPERATOR)
@pytest.mark.parametrize("role", ["clients", "nack"])
async def test_a_message_for_a_stream(patient: Patient, role: str) -> None:
    """It arrives in a stream of the clients' own account, and never in one of another account."""
    keys = patient.environment.keys
    manager = NatsKey.generate("user")
    jwt = user_jwt(manager.public, keys.accounts[role], name="nack")
    patient.options["--nack-creds"] = patient.write("nack.creds", creds(jwt, manager.seed))
    stream = {"name": "EVENTS", "subjects": ["orders.>"], "storage": "memory"}
    async with patient:
        await patient.serve()
        client = await patient.enter(
            await open_client(patient.environment.url(), {"user_credentials": patient.options["--nack-creds"]})
        )
        await client.request("$JS.API.STREAM.CREATE.EVENTS", json.dumps(stream).encode(), timeout=JETSTREAM_SECONDS)
        code, findings = await patient.examine("--nack", "EVENTS", "--subject", "orders.doctor")
    arrived = role == "clients"
    assert (0, "ok") == (code, findings["stream"]["severity"]) if arrived else code == 1
    if not arrived:
        assert "the stream is in another account" in findings["stream"]["what"]
        assert "callout bootstrap --nack inside" in findings["stream"]["mend"]


async def serve_beside(patient: Patient, workers: int, **variables: str) -> str:
    """Start one more replica, with some variables of its own; its page of metrics."""
    given = patient.environ | {"NATS_WORKERS": str(workers)} | variables
    service = await patient.enter(serve(patient.environment, patient.cluster, wait=True, **given))
    return f"http://127.0.0.1:{service.port}/metrics"


@on(SERVER, OPERATOR)
async def test_one_replica_of_several_signs_with_another_key(patient: Patient) -> None:
    """It is met in some of the logins, and one that is refused is enough; both pages are read, so it is named."""
    foreign = patient.write("other.nk", NatsKey.generate("account").seed)
    async with patient:
        await patient.serve()
        bad = await serve_beside(patient, MOST_WORKERS, NATS_SIGNING_KEY_FILE=foreign)
        code, findings = await patient.examine("--metrics-url", bad)
    assert 1 == code
    assert "wrong" == findings["login"]["severity"], findings
    assert "ok" == findings["responders"]["severity"]
    if patient.is_operator_mode:  # the replica believes that it has let the client in
        assert f"{bad}: allowed" in findings["login"]["details"]
    else:
        assert "wrong" == findings["replicas"]["severity"], findings
        (named,) = findings["replicas"]["details"]
        assert named.startswith(f"{bad}: request_subject, ")


@on(SEALED_SERVER)
async def test_one_replica_of_several_cannot_open_requests(patient: Patient) -> None:
    """It says nothing, so the login takes the server's two seconds; its page tells why, and is named."""
    other = patient.write("other.curve.nk", CurveKey.generate().seed)
    async with patient:
        await patient.serve()
        bad = await serve_beside(patient, MOST_WORKERS, NATS_XKEY_FILE=other)
        code, findings = await patient.examine("--metrics-url", bad)
    assert 1 == code
    (named,) = findings["replicas"]["details"]
    assert named.startswith(f"{bad}: request_unreadable, ")
    assert "NATS_XKEY_FILE" in findings["replicas"]["mend"]


@on(SERVER)
async def test_workers_of_replicas_that_were_not_given_are_counted(patient: Patient) -> None:
    """They answer as well as the others do; what they refuse is on a page that nobody has named."""
    async with patient:
        await patient.serve()
        await serve_beside(patient, workers=2)
        code, findings = await patient.examine()
    assert 0 == code
    assert "notice" == findings["responders"]["severity"]
    assert "2 of 3 workers are of no replica that was given (--metrics-url)" in findings["responders"]["what"]


@on(SERVER)
async def test_what_a_stranger_has_sent_makes_no_service_wrong(patient: Patient) -> None:
    """Whoever is in the callout's account can have anything refused; it is worth knowing, and no more."""
    async with patient:
        await patient.serve()
        async with await patient.environment.injector() as injector:
            await injector.send(b"no request at all")
            request = {"iss": "N", "aud": "x", "nats": {}}
            await injector.send(encode_nats_jwt(request, NatsKey.generate("server")).encode())
        page = patient.options["--metrics-url"]
        malformed = Reason.REQUEST_MALFORMED
        await until(lambda: read_pages([page])[page].counted[malformed] == 2, PATIENCE_SECONDS, "both are counted")
        code, findings = await patient.examine()
    assert 0 == code
    assert "notice" == findings["replicas"]["severity"]
    (named,) = findings["replicas"]["details"]
    assert named.startswith(f"{page}: request_malformed, 2 before, since it was started. ")


@on(SERVER)
async def test_without_evidence_nothing_is_claimed(patient: Patient) -> None:
    """Without metrics and without the system account it is not known who refuses, nor who else hears requests."""
    async with patient:
        await patient.serve()
        patient.options = {"--token": patient.options["--token"]}
        code, findings = await patient.examine()
    assert 0 == code
    assert {"junk token", "responders", "replicas", "issuer"} == of_severity(findings, "unknown").keys()


@on(SERVER)
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--sentinel", "/nowhere"), "--sentinel: /nowhere cannot be read"),
        (("--accounts", "/nowhere"), "--accounts: /nowhere cannot be read"),
        (("--sys-creds", "/nowhere"), "--sys-creds: /nowhere cannot be read"),
        (("--token", "/nowhere"), "--token: '/nowhere' cannot be read"),
        (("--serviceaccount", "Orders"), "--serviceaccount: 'Orders' is none"),
        (("--metrics-url", "ftp://x"), "--metrics-url: 'ftp://x' is no address of a page"),
        (("--nack", "EVENTS"), "--nack: needs --subject SUBJECT and --nack-creds FILE"),
    ],
)
async def test_bad_usage_is_one_line(patient: Patient, arguments: tuple[str, ...], words: str) -> None:
    """A file or an argument that cannot be used ends the command with exit code 2 before anything is asked."""
    process = await asyncio.create_subprocess_exec(
        *DOCTOR, *arguments, env=patient.environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert (2, b"") == (process.returncode, output)
    assert 1 == errors.count(b"\n")
    assert words in errors.decode()
