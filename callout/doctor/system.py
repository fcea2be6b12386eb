"""What the system account tells: accounts' JWTs, who hears requests, where a client is, what time it is.

Subjects and shapes: nats-server `server/events.go` (`$SYS.REQ.SERVER.PING.*`, `$SYS.REQ.ACCOUNT.*`) and `monitor.go`.
The lookup of claims is answered by full resolvers alone; ACCOUNTZ has the JWT with every resolver (tried on 2.15).
"""

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, Protocol

import msgspec

from callout.doctor.clocks import Reading
from callout.doctor.nats_claims import AccountJwt, find_jwts, read_account
from callout.doctor.users import AUTH_SUBJECT
from workers.server import QUEUE_GROUP

MAX_LISTED: Final = 1_024  # subscriptions of a server: what it sends at once
MAX_NAMED: Final = 10  # connections whose names are asked for, one question each: as many as are shown


class Asker(Protocol):
    """A connection in the system account."""

    async def ask(self, subject: str, question: Mapping[str, object] | None = None) -> list[bytes]:
        """Ask all servers."""


class Listener(msgspec.Struct, frozen=True):
    """Who hears requests: in which queue group (empty for none), on which server, as which of its connections."""

    queue_group: str
    server: str
    connection: int
    name: str = ""


class _Subscription(msgspec.Struct):
    subject: str = ""
    qgroup: str = ""
    cid: int = 0


class _Connection(msgspec.Struct):
    cid: int = 0
    account: str = ""
    name: str = ""


class _Data(msgspec.Struct):
    subscriptions_list: list[_Subscription] = []
    connections: list[_Connection] = []


class _Server(msgspec.Struct):
    name: str = ""
    id: str = ""
    time: str = ""


class _Answer(msgspec.Struct):
    server: _Server = msgspec.field(default_factory=_Server)
    data: _Data | None = None


async def fetch_account(system: Asker, key: str) -> AccountJwt | None:
    """Fetch an account's JWT by its public key; None if no server has it."""
    questions: tuple[tuple[str, Mapping[str, object]], ...] = (
        (f"$SYS.REQ.ACCOUNT.{key}.CLAIMS.LOOKUP", {}),
        ("$SYS.REQ.SERVER.PING.ACCOUNTZ", {"account": key}),
    )
    for subject, question in questions:
        for answer in await system.ask(subject, question):
            for jwt in find_jwts(answer.decode("utf-8", "replace")):
                try:
                    account = read_account(jwt)
                except ValueError:
                    continue
                if account.key == key:
                    return account
    return None


async def fetch_clocks(system: Asker) -> list[Reading]:
    """Read each server's clock; of the short answers, that to STATSZ has the time (IDZ has none)."""
    asked_at = time.time()
    answers = _read(await system.ask("$SYS.REQ.SERVER.PING.STATSZ"))
    answered_at = time.time()
    readings = []
    for answer in answers:
        try:
            shown = _parse_time(answer.server.time)
        except ValueError:
            continue
        # Between asking and the last answer the time that was shown was right at some moment.
        ahead = max(0.0, asked_at - shown) + min(0.0, answered_at - shown)
        readings.append(Reading(f"nats-server {answer.server.name}", ahead, is_nats=True))
    return readings


async def fetch_listeners(system: Asker, account: str) -> list[Listener]:
    """Find out who hears requests in the callout's account, which is named by key or, in server mode, by name.

    Names are asked for only of the first few who are not in the service's own queue group.
    """
    question: dict[str, object] = {"subscriptions": True, "account": account, "test": AUTH_SUBJECT, "limit": MAX_LISTED}
    found: list[Listener] = []
    strangers = 0
    for answer in _read(await system.ask("$SYS.REQ.SERVER.PING.SUBSZ", question)):
        for one in answer.data.subscriptions_list if answer.data else ():
            strangers += one.qgroup != QUEUE_GROUP
            is_asked = one.qgroup != QUEUE_GROUP and strangers <= MAX_NAMED
            name = await _find_name(system, answer, one.cid) if is_asked else ""
            found.append(Listener(one.qgroup, answer.server.id, one.cid, name))
    return found


async def fetch_placement(system: Asker, server: str, connection: int) -> str:
    """Find out which account a connection is in; empty if that is not told."""
    question: dict[str, object] = {"cid": connection, "auth": True}
    for answer in _read(await system.ask("$SYS.REQ.SERVER.PING.CONNZ", question)):
        if answer.server.id == server and answer.data:
            for one in answer.data.connections:
                return one.account
    return ""


async def _find_name(system: Asker, answer: _Answer, connection: int) -> str:
    for other in _read(await system.ask("$SYS.REQ.SERVER.PING.CONNZ", {"cid": connection, "auth": True})):
        if other.server.id == answer.server.id and other.data:
            return next((one.name for one in other.data.connections), "")
    return ""


def _parse_time(text: str) -> float:
    """Read RFC 3339 in UTC, as Go writes it: with up to nine digits of a second, of which Python reads six."""
    moment, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() + float(f"0.{fraction or 0}")


def _read(answers: Iterable[bytes]) -> list[_Answer]:
    """Read what can be read."""
    found = []
    for answer in answers:
        try:
            found.append(msgspec.json.decode(answer, type=_Answer))
        except (msgspec.MsgspecError, RecursionError):
            continue
    return found
