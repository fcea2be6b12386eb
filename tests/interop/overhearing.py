"""Requests of true servers, overheard on their way, taken apart, and made again with something changed."""

import copy
import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from tests.interop.cast import PLAIN
from tests.interop.deployment import Deployment
from tests.interop.inquirer import LONG_SECONDS
from tests.interop.server_configs import AUTH_SUBJECT
from tests.minting import ABSENT, AuthorizationRequest, PretendServer, open_request
from tests.waiting import PATIENCE_SECONDS

Claims = dict[str, Any]


class Overheard(msgspec.Struct, frozen=True):
    """A request that a true server has sent, as it was and taken apart."""

    request: AuthorizationRequest
    claims: Claims


async def overhear(deployment: Deployment) -> Overheard:
    """Let a workload log in, and listen to what the server asks about it."""
    environment = deployment.environment
    async with await environment.connect_listener() as listener:
        requests = await listener.subscribe(AUTH_SUBJECT)
        await listener.flush()
        async with await deployment.connect(PLAIN):
            message = await requests.next_msg(PATIENCE_SECONDS)
    curve = environment.keys.curve if environment.setting.xkey else None
    claims = open_request(message.data, message.headers, curve)
    headers = dict(message.headers) if message.headers else None
    return Overheard(AuthorizationRequest(message.data, headers, claims["nats"]["user_nkey"]), claims)


def adopt(claims: Mapping[str, Any], server: PretendServer) -> Claims:
    """The claims of the same request, had `server` made it, one that waits long for the answer."""
    ours = copy.deepcopy(dict(claims))
    ours["exp"] = int(time.time() + LONG_SECONDS)
    ours["iss"] = ours["nats"]["server_id"]["id"] = server.key.public
    if server.curve is not None:
        ours["nats"]["server_id"]["xkey"] = server.curve.public
    return ours


def find_paths(members: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The names of all members, with dots between those that lie within one another."""
    for name, value in members.items():
        yield f"{prefix}{name}"
        if isinstance(value, dict):
            yield from find_paths(value, f"{prefix}{name}.")


def look_up(claims: Mapping[str, Any], path: str) -> Any:
    """The member at a path."""
    found: Any = claims
    for name in path.split("."):
        found = found[name]
    return found


def change(claims: Mapping[str, Any], path: str, value: Any) -> Claims:
    """A copy in which the member at a path is `value`, or is not there (`ABSENT`)."""
    changed = copy.deepcopy(dict(claims))
    way, _, last = path.rpartition(".")
    members = look_up(changed, way) if way else changed
    if value is ABSENT:
        del members[last]
    else:
        members[last] = value
    return changed
