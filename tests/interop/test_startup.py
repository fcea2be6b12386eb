"""A service that cannot start says why, a line for each thing that is wrong, and ends with exit code 2."""

import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.interop.changing_cluster import ChangingCluster, replace
from tests.interop.environments import Environment
from tests.interop.known_secrets import secrets_of
from tests.interop.operation import OPERATOR_MODE, PLAIN, serve
from tests.interop.server_configs import CALLOUT, PASSWORD
from tests.minting import NatsKey, creds, user_jwt
from tests.service import Service

EXIT_WRONG_USAGE = 2
TYPED_SECRET = "hunter2-is-no-good-password"
"""What an operator has put where it does not belong."""
OPERATOR = {"NATS_MODE": "operator"}

Changes = Mapping[str, str | None]
"""Variables that are other than they should be; None for one that is missing. `{name}` stands for a file's path."""

WRONG: dict[str, tuple[Changes, list[str]]] = {
    "no account": ({"NATS_ACCOUNT": None}, ["NATS_ACCOUNT: is required, but not set; give "]),
    "two things at once": (
        {"NATS_ACCOUNT": None, "NATS_SIGNING_KEY_FILE": None, "PORT": "http"},
        [
            "PORT: 'http' is not right; give a whole number",
            "NATS_ACCOUNT: is required, but not set; give ",
            "NATS_SIGNING_KEY_FILE: is required, but not set; give ",
        ],
    ),
    "another kind of seed": (
        {"NATS_SIGNING_KEY_FILE": "{user_nk}"},
        ["NATS_SIGNING_KEY_FILE: {user_nk} holds the seed of a user (SU…); that of an account (SA…) is needed"],
    ),
    "a seed that is none": (
        {"NATS_SIGNING_KEY_FILE": "{broken_nk}"},
        ["NATS_SIGNING_KEY_FILE: {broken_nk} holds no valid seed of an account (SA…): "],
    ),
    "an empty file": (
        {"NATS_SIGNING_KEY_FILE": "{empty}"},
        ["NATS_SIGNING_KEY_FILE: {empty} is empty; it should hold the seed of an account"],
    ),
    "no such file": (
        {"NATS_SIGNING_KEY_FILE": "/nowhere/signing.nk"},
        ["NATS_SIGNING_KEY_FILE: /nowhere/signing.nk cannot be read: no such file or directory"],
    ),
    "the seed itself": ({"NATS_SIGNING_KEY_FILE": "{the seed}"}, ["NATS_SIGNING_KEY_FILE: the value (hidden"]),
    "an account's seed as xkey": (
        {"NATS_XKEY_FILE": "{account_nk}"},
        ["NATS_XKEY_FILE: {account_nk} holds the seed of an account (SA…); that of an xkey (SX…) is needed"],
    ),
    "operator mode with an account's name": (
        OPERATOR | {"NATS_ACCOUNT": "APP", "NATS_USER_CREDS_FILE": "{good_creds}"},
        ["NATS_ACCOUNT_SIGNING_KEY_FILE: is required in operator mode", "NATS_ACCOUNT: 'APP' is no valid public key"],
    ),
    "credentials that are none": (
        {"NATS_USER_CREDS_FILE": "{user_nk}"},
        ["NATS_USER_CREDS_FILE: {user_nk} has no block '-----BEGIN NATS USER JWT-----'"],
    ),
    "credentials of two users": (
        {"NATS_USER_CREDS_FILE": "{mixed_creds}"},
        ["NATS_USER_CREDS_FILE: {mixed_creds} holds a JWT and a seed of two different users"],
    ),
    "credentials and a token": (
        {"NATS_USER_CREDS_FILE": "{good_creds}", "NATS_TOKEN": TYPED_SECRET},
        ["NATS_USER_CREDS_FILE: is set together with NATS_TOKEN; keep one of them"],
    ),
    "an address with a bad port": (
        {"NATS_URL": f"nats://callout:{TYPED_SECRET}@nats:port"},
        ["NATS_URL: the value holds no valid address in place 1 of its list"],
    ),
    "a password with a slash": (
        {"NATS_URL": f"nats://callout:{TYPED_SECRET}/{TYPED_SECRET}@nats:4222"},
        ["NATS_URL: the value holds no valid address in place 1 of its list"],
    ),
    "a certificate that is none": (
        {"NATS_TLS_CA_FILE": "{user_nk}"},
        ["NATS_TLS_CA_FILE: {user_nk} holds no certificate in PEM form"],
    ),
    "no key set": (
        {"JWKS_PATH": "/nowhere/jwks.json"},
        ["JWKS_PATH: /nowhere/jwks.json cannot be read: no such file or directory"],
    ),
    "no ServiceAccounts": (
        {"SERVICEACCOUNTS_PATH": "/nowhere"},
        ["SERVICEACCOUNTS_PATH: /nowhere cannot be read: no such file or directory; give the path of a YAML file"],
    ),
    "no kubeconfig": (
        {"SERVICEACCOUNTS_PATH": None, "K8S_IN_CLUSTER": "false", "KUBECONFIG": "/nowhere/kubeconfig"},
        ["KUBECONFIG: /nowhere/kubeconfig cannot be read: no such file or directory; "],
    ),
    "a broken ceiling": (
        {"NATS_CEILING_FILE": "{broken_yaml}"},
        ["NATS_CEILING_FILE: {broken_yaml} is not valid YAML"],
    ),
    "a misspelt level": ({"LOG_LEVEL": "loud"}, ["LOG_LEVEL: 'loud' is not right; give debug, info, warning or error"]),
    "a folder in no folder": (
        {"SNAPSHOT_DIR": "/nowhere/at/all"},
        ["SNAPSHOT_DIR: /nowhere/at/all is not there, nor is the folder above it; make it first"],
    ),
    "a folder that is a file": ({"SNAPSHOT_DIR": "{empty}"}, ["SNAPSHOT_DIR: {empty} is no folder; give "]),
    "a folder that nobody can make": (
        {"SNAPSHOT_DIR": "/proc/callout"},
        ["SNAPSHOT_DIR: /proc/callout cannot be used: no such file or directory; give a folder in memory"],
    ),
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """A server in server mode."""
    with Environment(PLAIN, tmp_path_factory.mktemp("nats")) as running:
        yield running


async def complaints(service: Service) -> list[str]:
    """Wait until a service ends by itself because it cannot start; return what it says in plain words."""
    assert EXIT_WRONG_USAGE == await service.ended()
    prefix = "callout: "
    assert [] == [line for line in service.plain_lines if not line.startswith(prefix)]
    lines = [line.removeprefix(prefix) for line in service.plain_lines]
    return [line for line in lines if not line.startswith("warning: ")]


@pytest.mark.parametrize(("changes", "expected"), WRONG.values(), ids=WRONG)
async def test_what_is_wrong_with_the_settings_is_said_in_a_line_each(
    environment: Environment, cluster: ChangingCluster, tmp_path: Path, changes: Changes, expected: list[str]
) -> None:
    """The line names the variable, says what was wrong and what is right; it shows no secret."""
    user, other = NatsKey.generate("user"), NatsKey.generate("user")
    jwt = user_jwt(user.public, environment.keys.issuer)
    files = {
        "account_nk": environment.keys.issuer.seed,
        "user_nk": user.seed,
        "broken_nk": user.seed[:-8],
        "broken_yaml": "pub: [",
        "empty": "",
        "good_creds": creds(jwt, user.seed),
        "mixed_creds": creds(jwt, other.seed),
    }
    for name, text in files.items():
        replace(tmp_path / name, text)
    words = {name: str(tmp_path / name) for name in files} | {"the seed": environment.keys.issuer.seed}
    changed = {name: value and value.format_map(words) for name, value in changes.items()}
    settings = environment.service_env() | cluster.variables | changed
    with Service({name: value for name, value in settings.items() if value is not None}) as service:
        lines = await complaints(service)
    assert len(expected) == len(lines)
    for beginning, line in zip(expected, lines, strict=True):
        assert line.startswith(beginning.format_map(words)), line
    assert [] == service.log_lines()
    secrets = [TYPED_SECRET, jwt, user.seed, other.seed, user.seed[:-8], *secrets_of(environment)]
    assert [] == [secret for secret in secrets if secret in service.output()]


async def test_a_port_that_is_taken_is_a_line(environment: Environment, cluster: ChangingCluster) -> None:
    """It says which, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        variables = environment.service_env() | cluster.variables | {"HTTP_HOST": "127.0.0.1", "PORT": str(port)}
        with Service(variables) as service:
            lines = await complaints(service)
    where = f"port {port} of 127.0.0.1"
    assert [f"PORT: cannot listen on {where}: address already in use; choose another, or set HTTP_HOST"] == lines


async def test_a_folder_that_another_service_uses_is_a_line(
    environment: Environment, cluster: ChangingCluster, tmp_path: Path
) -> None:
    """The first service is not disturbed."""
    folder = str(tmp_path / "snapshot")
    async with serve(environment, cluster, SNAPSHOT_DIR=folder) as first:
        with Service(environment.service_env() | cluster.variables | {"SNAPSHOT_DIR": folder}) as second:
            lines = await complaints(second)
        assert [f"SNAPSHOT_DIR: {folder} is used by another running service; give each its own folder"] == lines
        assert 200 == first.get("/readyz")[0]
        assert 1 == len(list(Path(folder).glob("snapshot/data.mdb")))  # noqa: ASYNC240  # on tmpfs


async def test_a_password_that_nats_refuses_ends_the_service(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """Trying again would end the same way: the last line names the setting to look at."""
    url = environment.service_env()["NATS_URL"].replace(PASSWORD, TYPED_SECRET)
    await refused(environment, cluster, {"NATS_URL": url}, "NATS_URL: NATS refused the user or the password; ")


async def test_an_address_without_a_user_that_nats_refuses_ends_the_service(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """What is missing is named, since there is nothing to compare."""
    url = environment.service_env()["NATS_URL"].replace(f"{CALLOUT}:{PASSWORD}@", "")
    await refused(environment, cluster, {"NATS_URL": url}, "NATS_URL: NATS lets nobody in without credentials, ")


async def test_credentials_that_nats_refuses_end_the_service(cluster: ChangingCluster, tmp_path: Path) -> None:
    """The same with a user that an account of another operator has made."""
    with Environment(OPERATOR_MODE[0], tmp_path) as environment:
        stranger, seed = NatsKey.generate("account"), environment.keys.users[CALLOUT].seed
        replace(tmp_path / "strange.creds", creds(user_jwt(environment.keys.users[CALLOUT].public, stranger), seed))
        strange = str(tmp_path / "strange.creds")
        line = f"NATS_USER_CREDS_FILE: NATS refused the user of {strange}; "
        await refused(environment, cluster, {"NATS_USER_CREDS_FILE": strange}, line)


async def refused(environment: Environment, cluster: ChangingCluster, changes: dict[str, str], line: str) -> None:
    """Run a service that NATS does not let in, and check what it says: once each, and nothing that only alarms."""
    with Service(environment.service_env() | cluster.variables | {"HTTP_HOST": "127.0.0.1"} | changes) as service:
        (last,) = await complaints(service)
    assert last.startswith(line)
    assert 1 == len(service.log_lines("stopping: no worker can start"))
    assert service.log_lines("NATS refused the service's credentials")
    assert [] == service.log_lines("worker could not start")
    assert [] == service.log_lines("worker ended")
    assert [] == [secret for secret in [TYPED_SECRET, *secrets_of(environment)] if secret in service.output()]
