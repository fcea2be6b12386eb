"""What may be wrong with a deployment: each sabotage spoils one thing of it, and what the doctor is to say of that.

Each takes the patient, spoils something, and starts the service if there is to be one.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.interop.changing_cluster import key_set, replace
from tests.interop.environments import BINARIES, Setting
from tests.interop.patient import Patient
from tests.interop.reference_callout import ReferenceCallout
from tests.interop.server_configs import ADMINISTRATOR, AUTH_SUBJECT, LISTENER, PASSWORD
from tests.minting import CurveKey, Issuer, NatsKey, creds, user_jwt
from tests.service import Service

NEWEST = BINARIES[0]
SERVER, OPERATOR, DEFAULT_SENTINEL = (
    Setting(mode, xkey=False, binary=NEWEST) for mode in ("server", "operator-creds", "operator-default-sentinel")
)
SEALED_SERVER, SEALED_OPERATOR = (
    Setting("server", xkey=True, binary=NEWEST),
    Setting("operator-creds", xkey=True, binary=NEWEST),
)


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
        patient.environment.server.restart(lambda text: text.replace('"auth_users": ["callout", ', '"auth_users": ['))


async def name_the_sentinels_credentials(patient: Patient) -> None:
    """Run the service with the credentials that lie beside its own; it does not get in with them."""
    patient.environ["NATS_USER_CREDS_FILE"] = patient.options["--sentinel"]


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
    patient.environment.server.restart(lambda text: f'{text}no_auth_user: "{LISTENER}"\n')
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


async def serve_from_another_account(patient: Patient) -> None:
    """Run the service as a user of auth_users who is not in the callout's account."""
    patient.environ["NATS_URL"] = patient.environ["NATS_URL"].replace("callout:", f"{ADMINISTRATOR}:")
    await patient.serve()


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
    patient.environment.server.restart(lambda text: text.replace("$SYS._INBOX.>", "$SYS._NOWHERE.>"))
    await patient.serve()


async def misspell_a_setting(patient: Patient) -> None:
    """Set something that is no duration."""
    patient.environ["NATS_USER_TTL"] = "soon"


async def lose_the_server(patient: Patient) -> None:
    """Stop nats-server."""
    patient.environment.server.stop()


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
    (
        OPERATOR,
        name_the_sentinels_credentials,
        "service user",
        "export NATS_USER_CREDS_FILE=<file of the service itself>",
    ),
    (OPERATOR, name_the_sentinels_credentials, "auth users", "creds/callout.creds"),
    (SEALED_SERVER, seal_on_the_server_only, "xkey", "export NATS_XKEY_FILE="),
    (SEALED_OPERATOR, seal_on_the_server_only, "xkey", "export NATS_XKEY_FILE="),
    (SERVER, seal_on_our_side_only, "xkey", "set xkey: X"),
    (OPERATOR, seal_on_our_side_only, "xkey", "nsc edit authcallout --account AUTH_SERVICE --curve X"),
    (SERVER, start_nothing, "answered", "callout serve"),
    (OPERATOR, start_nothing, "responders", "callout serve"),
    (SERVER, serve_from_another_account, "answered", "a user of the account that auth_callout names in nats.conf"),
    (SERVER, serve_from_another_account, "responders", "a user of the account that auth_callout names in nats.conf"),
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
    (SERVER, lose_the_server, "service user", "nats server check connection --server nats://127.0.0.1:"),
)
