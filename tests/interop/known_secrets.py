"""What must never be seen: a list of the secrets of an environment, for tests that look for them everywhere."""

from tests.interop.environments import Environment
from tests.interop.server_configs import PASSWORD, USERS


def secrets_of(environment: Environment) -> list[str]:
    """Every seed, the password, and the users' JWTs: each a text that nothing else contains."""
    keys = environment.keys
    holders = (keys.operator, keys.clients_signing, keys.sentinel, *keys.accounts.values(), *keys.users.values())
    seeds = [keys.curve.seed, *(holder.seed for holder in holders)]
    return [*seeds, PASSWORD, *(keys.user_jwt(name) for name in USERS)]
