"""`callout doctor` against real servers: all well where it is, and for each sabotage the finding that names it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from tests.fake_kube_api import FakeKubeApi, Status
from tests.interop.changing_cluster import ApiCluster, ChangingCluster, key_set, replace
from tests.interop.clients import open_client
from tests.interop.environments import BINARIES, Environment, Setting
from tests.interop.operation import on, serve
from tests.interop.reference_callout import ReferenceCallout
from tests.interop.server_configs import AUTH_SUBJECT, LISTENER, PASSWORD
from tests.minting import (
    ABSENT,
    CurveKey,
    Issuer,
    NatsKey,
    creds,
    decode_nats_jwt,
    encode_nats_jwt,
    user_jwt,
)
from tests.service import Service

DOCTOR = (str(Path(sys.prefix) / "bin/callout"), "doctor", "--json")
JETSTREAM_SECONDS = 10
NEWEST = BINARIES[0]
SERVER, OPERATOR, DEFAULT_SENTINEL = (
    Setting(mode, xkey=False, binary=NEWEST) for mode in ("server", "operator-creds", "operator-default-sentinel")
)
SEALED_SERVER, SEALED_OPERATOR = (
    Setting("server", xkey=True, binary=NEWEST),
    Setting("operator-creds", xkey=True, binary=NEWEST),
)
DENY_ALL = {"deny": [">"]}


class Patient:
    """A deployment that the doctor looks at.

    Attributes:
        environ: what the doctor is given; `callout serve` gets the same.
        options: what of the command line is the same each time.
    """

    def __init__(self, environment: Environment, cluster: ChangingCluster, folder: Path) -> None:
        self.environment = environment
        self.cluster = cluster
        self.folder = folder
        self.environ = environment.service_env() | cluster.variables
        self.options: dict[str, str] = {}
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    @property
    def is_operator_mode(self) -> bool:
        """Tell whether accounts are declared by JWTs."""
        return self.environment.is_operator_mode

    async def serve(self) -> Service:
        """Start the service, with the same variables."""
        service = await self._running.enter_async_context(
            serve(self.environment, self.cluster, wait=True, **(self.environ | {"NATS_WORKERS": "1"}))
        )
        self.options["--metrics-url"] = f"http://127.0.0.1:{service.port}/metrics"
        return service

    async def enter(self, manager: Any) -> Any:
        """Keep something open until the end."""
        return await self._running.enter_async_context(manager)

    def write(self, name: str, text: str) -> str:
        """Write a file."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return str(path)

    def give_all(self) -> None:
        """Give the doctor all the files that there are for it."""
        keys = self.environment.keys
        system = f"admin:{PASSWORD}"
        if self.is_operator_mode:
            system = creds(keys.user_jwt("admin"), keys.users["admin"].seed)
            self.options["--sentinel"] = self.write("sentinel.creds", creds(keys.sentinel_jwt(), keys.sentinel.seed))
        self.options["--sys-creds"] = self.write("system", system)
        self.options["--token"] = self.write("token", self.cluster.token("orders", "checkout"))

    async def examine(self, *arguments: str, live: bool = True) -> tuple[int, dict[str, dict[str, Any]]]:
        """Have the doctor look; exit code, and the worst finding of each check."""
        options = [word for pair in self.options.items() for word in pair]
        command = (*DOCTOR, *(["--live"] if live else []), *options, *arguments)
        environ = {"PATH": "/usr/bin:/bin", **self.environ}
        process = await asyncio.create_subprocess_exec(
            *command, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        output, errors = await process.communicate()
        assert b"" == errors, errors
        assert not any(secret in output.decode() for secret in self._secrets()), "a secret is shown"
        findings = json.loads(output)["findings"]
        severities = ("ok", "notice", "unknown", "wrong")
        findings.sort(key=lambda finding: severities.index(finding["severity"]))
        assert process.returncode is not None
        return process.returncode, {finding["check"]: finding for finding in findings}

    def _secrets(self) -> list[str]:
        keys = self.environment.keys
        seeds = [keys.issuer.seed, keys.clients_signing.seed, keys.curve.seed, keys.sentinel.seed, PASSWORD, "eyJ"]
        return seeds + [user.seed for user in keys.users.values()]


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


def of_severity(findings: dict[str, dict[str, Any]], severity: str) -> dict[str, str]:
    """What was found of that severity, by check."""
    return {check: one["what"] for check, one in findings.items() if one["severity"] == severity}


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


# Sabotages. Each takes the patient, spoils something, and starts the service if there is to be one.


async def sign_with_a_strangers_key(patient: Patient) -> None:
    """Sign with a key that the server does not know."""
    patient.environ["NATS_SIGNING_KEY_FILE"] = patient.write("other.nk", NatsKey.generate("account").seed)
    await patient.serve()


async def sign_users_with_a_strangers_key(patient: Patient) -> None:
    """Sign clients with a key that is not their account's."""
    patient.environ["NATS_ACCOUNT_SIGNING_KEY_FILE"] = patient.write("other.nk", NatsKey.generate("account").seed)
    patient.options["--accounts"] = str(patient.environment.folder / "nats.conf")
    await patient.serve()


async def swap_the_signing_keys(patient: Patient) -> None:
    """Name each of the two files where the other belongs."""
    names = ("NATS_SIGNING_KEY_FILE", "NATS_ACCOUNT_SIGNING_KEY_FILE")
    patient.environ |= dict(zip(names, [patient.environ[name] for name in reversed(names)], strict=True))
    await patient.serve()


async def mistype_the_password(patient: Patient) -> None:
    """Log in as the right user with the wrong password, beside a service that is right."""
    await patient.serve()
    patient.environ["NATS_URL"] = patient.environ["NATS_URL"].replace(PASSWORD, "wrong")


async def place_clients_elsewhere(patient: Patient) -> None:
    """Place clients where the callout's account may not."""
    patient.environ |= patient.environment.service_env(placement="other")
    await patient.serve()


async def forget_auth_user(patient: Patient) -> None:
    """Let the service's user be none of auth_users."""
    keys = patient.environment.keys
    if patient.is_operator_mode:
        stranger = NatsKey.generate("user")
        jwt = user_jwt(stranger.public, keys.accounts["callout"], name="stranger")
        patient.environ["NATS_USER_CREDS_FILE"] = patient.write("stranger.creds", creds(jwt, stranger.seed))
    else:
        restart_with(patient, lambda text: text.replace('"auth_users": ["callout", ', '"auth_users": ['))


async def seal_on_the_server_only(patient: Patient) -> None:
    """Have no key for sealed requests."""
    del patient.environ["NATS_XKEY_FILE"]
    patient.options.pop("--sentinel", None)
    command = {name: value for name, value in patient.environ.items() if name != "NATS_XKEY_FILE"}
    await patient.enter(started(command))


async def seal_on_our_side_only(patient: Patient) -> None:
    """Have a key for requests that nobody seals."""
    patient.environ["NATS_XKEY_FILE"] = patient.write("curve.nk", CurveKey.generate().seed)
    await patient.serve()


async def start_nothing(patient: Patient) -> None:  # there is nothing to do
    """Run no service."""


async def let_another_listen(patient: Patient) -> None:
    """Let somebody hear requests who is not in the queue group."""
    await patient.serve()
    eavesdropper = await patient.enter(await patient.environment.connect_as_service(name="eavesdropper"))
    await eavesdropper.subscribe(AUTH_SUBJECT)
    await eavesdropper.flush()


async def let_another_answer(patient: Patient) -> None:
    """Let somebody else answer, who lets everybody in."""
    allow_all = ReferenceCallout(
        patient.environment, lambda callout, request: callout.allow(request, pub=["$SYS.>"], sub=[">"])
    )
    await patient.enter(allow_all)


async def let_everybody_in(patient: Patient) -> None:
    """Set no_auth_user to one of the users that never meet the callout; only a new start takes that up."""
    restart_with(patient, lambda text: f'{text}no_auth_user: "{LISTENER}"\n')
    await patient.serve()


async def trust_another_issuers_keys(patient: Patient) -> None:
    """Have the key set of another cluster."""
    await patient.serve()
    replace(patient.cluster.jwks, json.dumps(key_set(Issuer.generate("ES256"))))


async def ask_for_another_audience(patient: Patient) -> None:
    """Log in with a token for somebody else."""
    await patient.serve()
    patient.write("token", patient.cluster.token("orders", "checkout", audience="vault"))


async def delete_the_serviceaccount(patient: Patient) -> None:
    """Delete whose token it is."""
    await patient.serve()
    patient.cluster.delete("orders", "checkout")
    patient.cluster.put("orders", "other")


async def give_the_service_all_rights(patient: Patient) -> None:
    """Run the service as a user who may do everything."""
    if patient.is_operator_mode:
        keys = patient.environment.keys
        powerful = creds(keys.user_jwt(LISTENER), keys.users[LISTENER].seed)
        patient.environ["NATS_USER_CREDS_FILE"] = patient.write("powerful.creds", powerful)
    else:
        patient.environ["NATS_URL"] = patient.environ["NATS_URL"].replace("callout:", f"{LISTENER}:")
    await patient.serve()


async def take_the_services_rights(patient: Patient) -> None:
    """Let the service's user answer nobody."""
    restart_with(patient, lambda text: text.replace("$SYS._INBOX.>", "$SYS._NOWHERE.>"))
    await patient.serve()


async def misspell_a_setting(patient: Patient) -> None:
    """Set something that is no duration."""
    patient.environ["NATS_USER_TTL"] = "soon"


async def lose_the_server(patient: Patient) -> None:
    """Stop nats-server."""
    patient.environment.server.stop()


def restart_with(patient: Patient, edit: Callable[[str], str]) -> None:
    """Start the server again with another configuration: not all of it can be reloaded."""
    server = patient.environment.server
    render = server._render_config
    server._render_config = lambda ports: edit(render(ports))
    server.restart()


@asynccontextmanager
async def started(variables: dict[str, str]) -> AsyncIterator[Service]:
    """Run the service with just these variables."""
    with Service(variables | {"HTTP_HOST": "127.0.0.1", "NATS_WORKERS": "1"}) as service:
        await service.ready()
        yield service


Sabotage = Callable[[Patient], Awaitable[None]]
SABOTAGES: tuple[tuple[Setting, Sabotage, str, str], ...] = (
    (SERVER, sign_with_a_strangers_key, "signing key", "export NATS_SIGNING_KEY_FILE=<file with the seed of A"),
    (SERVER, sign_with_a_strangers_key, "signing key", "set issuer: A"),
    (OPERATOR, sign_with_a_strangers_key, "signing key", "nsc edit account --name AUTH_SERVICE --sk A"),
    (OPERATOR, sign_users_with_a_strangers_key, "account key", "nsc edit account --name AUTH_ACCOUNT --sk A"),
    (OPERATOR, swap_the_signing_keys, "signing key", "exchange NATS_SIGNING_KEY_FILE and NATS_ACCOUNT_SIGNING_KEY"),
    (OPERATOR, swap_the_signing_keys, "account key", "exchange NATS_SIGNING_KEY_FILE and NATS_ACCOUNT_SIGNING_KEY"),
    (SERVER, mistype_the_password, "service user", "put user and password into NATS_URL as nats.conf has them"),
    (OPERATOR, place_clients_elsewhere, "allowed account", "nsc edit authcallout --account AUTH_SERVICE --allowed-acc"),
    (SERVER, forget_auth_user, "service user", "auth_users"),
    (OPERATOR, forget_auth_user, "auth users", "nsc edit authcallout --account AUTH_SERVICE --auth-user U"),
    (SEALED_SERVER, seal_on_the_server_only, "xkey", "export NATS_XKEY_FILE="),
    (SEALED_OPERATOR, seal_on_the_server_only, "xkey", "export NATS_XKEY_FILE="),
    (SERVER, seal_on_our_side_only, "xkey", "set xkey: X"),
    (OPERATOR, seal_on_our_side_only, "xkey", "nsc edit authcallout --account AUTH_SERVICE --curve X"),
    (SERVER, start_nothing, "answered", "callout serve"),
    (OPERATOR, start_nothing, "responders", "callout serve"),
    (SERVER, let_another_listen, "responders", "nats server report connections --account AUTH"),
    (OPERATOR, let_another_listen, "responders", "nats server report connections --account A"),
    (SERVER, let_another_answer, "junk token", "nats server report connections"),
    (OPERATOR, let_another_answer, "permissions", "nats server report connections"),
    (SERVER, let_everybody_in, "bypass", "no_auth_user"),
    (SERVER, trust_another_issuers_keys, "token", "kubectl get --raw /openid/v1/jwks"),
    (SERVER, ask_for_another_audience, "token", "kubectl create token -n orders checkout --audience=nats"),
    (SERVER, ask_for_another_audience, "login", "kubectl create token -n orders checkout --audience=nats"),
    (SERVER, delete_the_serviceaccount, "token", "kubectl create serviceaccount -n orders checkout"),
    (SERVER, take_the_services_rights, "service rights", "in nats.conf give the user permissions"),
    (SERVER, misspell_a_setting, "settings", "callout config"),
    (SERVER, lose_the_server, "service user", "nats server check connection"),
)


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


@on(SERVER)
async def test_without_evidence_nothing_is_claimed(patient: Patient) -> None:
    """Without metrics and without the system account it is not known who refuses, nor who else hears requests."""
    async with patient:
        await patient.serve()
        patient.options = {"--token": patient.options["--token"]}
        code, findings = await patient.examine()
    assert 0 == code
    assert {"junk token", "responders", "issuer"} == of_severity(findings, "unknown").keys()


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
