"""A real nats-server for the doctor's tests, and the logins of those who have one there."""

from collections.abc import Mapping, Sequence

import msgspec

from callout.config.loading import load
from callout.config.table import Settings
from callout.doctor.connections import Connection, log_in
from callout.doctor.logins import Door, Login, make_door, read_service_login
from tests.interop.environments import BINARIES, Environment, Setting
from tests.interop.server_configs import ADMINISTRATOR, LISTENER, PASSWORD
from workers.nkeys import decode_seed

SERVER, OPERATOR = (Setting(mode, xkey=False, binary=BINARIES[0]) for mode in ("server", "operator-creds"))
FILES = {"SERVICEACCOUNTS_PATH": "/nowhere", "JWKS_PATH": "/nowhere", "JWT_ISSUER": "https://kubernetes.test"}
"""What has to be set, and is not looked at."""


def make_settings(environment: Environment, **changes: str) -> Settings:
    """The settings of a service beside that server."""
    return load({**environment.service_env(), **FILES, **changes})[0]


def find_door(environment: Environment) -> Door:
    """Where that server is."""
    return make_door(make_settings(environment))


def find_login(environment: Environment, user: str) -> Login:
    """What one of the server's fixed users logs in with."""
    keys = environment.keys
    if environment.is_operator_mode:
        return Login(jwt=keys.user_jwt(user), key=decode_seed(keys.users[user].seed))
    return Login(user=user, password=PASSWORD)


async def enter(environment: Environment) -> Connection:
    """Log in as the service's own user."""
    return await log_in(find_door(environment), read_service_login(make_settings(environment)))


async def enter_as_listener(environment: Environment) -> Connection:
    """Log in as one who may do everything in the callout's account."""
    return await log_in(find_door(environment), find_login(environment, LISTENER))


async def enter_as_system(environment: Environment) -> Connection:
    """Log in to the system account."""
    return await log_in(find_door(environment), find_login(environment, ADMINISTRATOR))


async def count_connections(environment: Environment) -> int:
    """How many clients the server has, whoever asks not counted."""
    async with await environment.connect_system() as system:
        reply = await system.request("$SYS.REQ.SERVER.PING.CONNZ", b"{}", timeout=30)
    return int(msgspec.json.decode(reply.data)["data"]["num_connections"]) - 1


class Answers:
    """A system account in which each subject has answers that no true server gives; see `callout.doctor.system.Asker`.

    Attributes:
        asked: the subjects, in order.
    """

    def __init__(self, answers: Mapping[str, Sequence[bytes]]) -> None:
        self.asked: list[str] = []
        self._answers = answers

    async def ask(self, subject: str, question: Mapping[str, object] | None = None) -> list[bytes]:  # noqa: ARG002
        """Give the answers of that subject."""
        self.asked.append(subject)
        return list(self._answers.get(subject, ()))
