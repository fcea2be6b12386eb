"""The doctor's connections to a real server: what it may do there, what it hears, and that it leaves nothing behind."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from callout.doctor import connections
from callout.doctor.connections import (
    ANSWER_SECONDS,
    MAX_HEARD_SIZE,
    NAME,
    Connection,
    LoginError,
    log_in,
    logged_in,
)
from callout.doctor.logins import Door, Login
from tests.callout.doctor.on_server import count_connections, enter, enter_as_listener, enter_as_system, find_door
from tests.greeting_server import INFO, GreetingServer, say
from tests.interop.environments import Environment
from tests.interop.server_configs import LISTENER, PASSWORD
from tests.waiting import PATIENCE_SECONDS, until

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run it, and no longer than anybody would wait."""
    return asyncio.run(asyncio.wait_for(coroutine, PATIENCE_SECONDS))


async def refusal(door: Door, login: Login) -> LoginError:
    """How a login failed."""
    with pytest.raises(LoginError) as caught:
        await log_in(door, login)
    return caught.value


def test_a_login_says_how_long_it_took(in_server_mode: Environment) -> None:
    """And what the server says of itself; the server can tell whose it is."""

    async def go() -> tuple[dict[str, Any], float, list[str]]:
        async with await enter(in_server_mode) as client, await enter_as_system(in_server_mode) as system:
            answers = await system.ask("$SYS.REQ.SERVER.PING.CONNZ", {"cid": client.client_id})
            names = [one["name"] for one in json.loads(answers[0])["data"]["connections"]]
            return client.info, client.seconds, names

    info, seconds, names = run(go())
    assert "bench" == info["server_name"]
    assert 0 < seconds
    assert [NAME] == names


def test_a_refusal_is_told_from_a_server_that_is_not_there(in_server_mode: Environment) -> None:
    """Each with one line, and without what the login holds."""

    async def go() -> tuple[LoginError, LoginError]:
        door = find_door(in_server_mode)
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            away = Door((f"nats://127.0.0.1:{nobody.getsockname()[1]}",), None)
            absent = await refusal(away, Login(user="u", password="secret-word"))
        return await refusal(door, Login(user=LISTENER, password="secret-word")), absent

    refused, absent = run(go())
    assert (True, False) == (refused.refused, absent.refused)
    assert "Authorization Violation" in str(refused)
    assert "cannot be reached" in str(absent)
    for error in (refused, absent):
        assert "\n" not in str(error)
        assert "secret-word" not in str(error)


def test_a_server_that_is_silent_sends_nobody_to_the_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    """He is there already, and looks at what else it could be."""
    monkeypatch.setattr(connections, "LOGIN_SECONDS", 1)  # in earnest it waits ten, in which nothing happens

    async def go() -> LoginError:
        async with GreetingServer(say(b"")) as server:
            return await refusal(Door((f"nats://127.0.0.1:{server.port}",), None), Login(user="u", password="p"))

    assert "the NATS server does not answer; is NATS_URL right?" == str(run(go()))


def test_a_refused_login_leaves_no_connection_behind(in_server_mode: Environment) -> None:
    """Neither here nor on the server."""

    async def go() -> None:
        before = await count_connections(in_server_mode)
        await refusal(find_door(in_server_mode), Login(user=LISTENER, password="wrong"))

        async def is_as_before() -> bool:
            return before == await count_connections(in_server_mode)

        await until(is_as_before, PATIENCE_SECONDS, "the server has as many connections as before")

    run(go())


def test_what_may_be_done_is_tried(in_server_mode: Environment) -> None:
    """One refusal says nothing of the next try."""

    async def go() -> list[bool]:
        async with await enter(in_server_mode) as client:
            return [
                await client.may_subscribe("$SYS.REQ.USER.AUTH"),
                await client.may_subscribe("orders"),
                await client.may_subscribe("$SYS.REQ.USER.AUTH"),
                await client.may_publish("$SYS._INBOX.doctor"),
                await client.may_publish("orders"),
                await client.may_publish("$SYS._INBOX.doctor"),
            ]

    assert [True, False, True, True, False, True] == run(go())


def test_nothing_stays_subscribed(in_server_mode: Environment) -> None:
    """What was tried, asked or overheard is left again."""

    async def go() -> int:
        async with await enter_as_listener(in_server_mode) as client, await enter_as_system(in_server_mode) as system:
            await client.may_subscribe("orders")
            await client.ask("nobody.there")
            async with client.overhear("orders"):
                pass
            answers = await system.ask("$SYS.REQ.SERVER.PING.CONNZ", {"cid": client.client_id})
            return int(json.loads(answers[0])["data"]["connections"][0]["subscriptions"])

    assert 0 == run(go())


def test_all_answers_are_waited_for(in_server_mode: Environment) -> None:
    """Several servers, or none: nobody there is known at once, and somebody silent after a while."""

    async def go() -> tuple[list[bytes], list[bytes], float, list[bytes], list[bytes]]:
        async with await enter_as_listener(in_server_mode) as client, await enter_as_listener(in_server_mode) as other:

            async def answer(message: Any) -> None:
                for number in (b"1", b"2"):
                    await message.respond(number)

            await other.subscribe("twice", cb=answer)
            await other.subscribe("silent")
            await other.flush()
            twice = await client.ask("twice")
            began = time.monotonic()
            nobody = await client.ask("nobody.there")
            waited = time.monotonic() - began
            silent = await client.ask("silent", seconds=0.05)
            async with await enter(in_server_mode) as least:
                forbidden = await least.ask("orders", seconds=0.05)
            return twice, nobody, waited, silent, forbidden

    twice, nobody, waited, silent, forbidden = run(go())
    assert [b"1", b"2"] == twice
    assert ([], [], []) == (nobody, silent, forbidden)
    assert waited < ANSWER_SECONDS  # it was told that nobody is there


@asynccontextmanager
async def raw(environment: Environment) -> AsyncIterator[asyncio.StreamWriter]:
    """A client that sends what no library would."""
    reader, writer = await asyncio.open_connection("127.0.0.1", environment.server.ports.client)
    await reader.readline()
    connect = {"user": LISTENER, "pass": PASSWORD, "verbose": False, "headers": True}
    writer.write(b"CONNECT " + json.dumps(connect).encode() + b"\r\n")
    try:
        yield writer
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    "header", [b"NATS/1.0\r\n: x\r\n\r\n", b"NATS/1.0 \xff\r\n\r\n", b"\0" * 12, b"NATS/1.0 503 x\r\nA\r\n\r\n"]
)
def test_no_header_of_a_stranger_ends_the_listening(in_server_mode: Environment, header: bytes) -> None:
    """What comes after it is heard."""

    async def go() -> list[bytes]:
        async with (
            await enter_as_listener(in_server_mode) as client,
            raw(in_server_mode) as stranger,
            client.overhear("orders") as heard,
        ):
            stranger.write(b"HPUB orders %d %d\r\n%b1\r\n" % (len(header), len(header) + 1, header))
            stranger.write(b"PUB orders 1\r\n2\r\n")
            await until(lambda: heard and heard[-1].payload == b"2", PATIENCE_SECONDS, "the second one is heard")
            return [one.payload for one in heard]

    assert b"2" == run(go())[-1]


def test_what_is_overheard_is_bounded(in_server_mode: Environment) -> None:
    """Requests are small; whatever else comes is no request, and not kept."""

    async def go() -> list[int]:
        async with (
            await enter_as_listener(in_server_mode) as client,
            await enter_as_listener(in_server_mode) as other,
            client.overhear("orders") as heard,
        ):
            for size in (1, MAX_HEARD_SIZE, MAX_HEARD_SIZE + 1, 2):
                await other.publish("orders", b"x" * size)
            await until(lambda: heard and len(heard[-1].payload) == 2, PATIENCE_SECONDS, "the last one is heard")
            return [len(one.payload) for one in heard]

    assert [1, MAX_HEARD_SIZE, 2] == run(go())


def test_a_broken_client_is_closed(in_server_mode: Environment) -> None:
    """Whatever ends the block."""

    async def go() -> Connection:
        with pytest.raises(ZeroDivisionError):
            async with logged_in(find_door(in_server_mode), Login(user=LISTENER, password=PASSWORD)) as client:
                raise ZeroDivisionError
        return client

    assert run(go()).is_closed


class LateServer(GreetingServer):
    """One that has something to say to a subscription, and says it when it is asked next."""

    def answer(self, line: bytes) -> bytes:
        """Say it before the answer to a ping, so it is on its way when the listening ends."""
        if line.startswith(b"SUB "):
            self.late = b"MSG orders %b 5\r\nhello\r\n" % line.split()[-1]
        said, self.late = (self.late, b"") if line.startswith(b"PING") and self.is_over else (b"", self.late)
        return said + super().answer(line)

    late = b""
    is_over = False


def test_what_is_on_its_way_when_the_listening_ends_is_heard() -> None:
    """The server may have told the client of its refusal before we have read the request."""

    async def go() -> list[bytes]:
        async with LateServer(say(INFO)) as server:
            door = Door((f"nats://127.0.0.1:{server.port}",), None)
            async with logged_in(door, Login(user="u", password="p")) as client:
                async with client.overhear("orders") as heard:
                    server.is_over = True
                return [one.payload for one in heard]

    assert [b"hello"] == run(go())
