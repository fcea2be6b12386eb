"""Whoever asks straight at the subject takes nothing from a server that no nats-server would send."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from callout.errors import CommandError
from perf.figures.processes import Meter
from perf.generator import asking
from perf.generator.answers import Answers
from perf.generator.asking import Asker
from perf.generator.requests import RequestMaker
from perf.generator.wire import PONG, Address, Login
from tests.authority import Authority
from tests.greeting_server import INFO, TLS_INFO, Greeting, GreetingServer, encrypt, say, stop_reading
from tests.minting import NatsKey
from tests.waiting import PATIENCE_SECONDS
from workers.frames import MAX_LINE_SIZE
from workers.jose import encode_segment

PASSWORD = "conspicuous"
LEAD_SECONDS = 0.3
"""What an open loop begins later: some looks at the CPU would be within it."""
SILENCE_SECONDS = 5.0
"""What is waited for in vain: within it comes what is answered, however busy the machine is."""
ACCOUNT = NatsKey.generate("account").public
MEGABYTE = 1 << 20


async def ask(greeting: Greeting, tls: ssl.SSLContext | None = None) -> tuple[bytes, bytes]:
    """Connect to a server that greets so and ask once; return the answer and what the server has heard."""
    maker = RequestMaker(ACCOUNT)
    async with GreetingServer(greeting) as server, asyncio.timeout(PATIENCE_SECONDS):
        asker = Asker(Login({"user": "perf", "pass": PASSWORD}), maker)
        try:
            await asker.connect(Address("127.0.0.1", server.port, tls))
            return await asker.ask(maker.message("a.b.c", 0), PATIENCE_SECONDS), server.heard
        except CommandError as error:
            raise CommandError(*error.lines, warnings=(server.heard.decode(),)) from None
        finally:
            await asker.close()


def answer_with(text: str) -> Greeting:
    """Let in whoever comes, and answer a request with that; `INBOX` is where its answer is awaited."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        await reader.readuntil(b"PING\r\n")
        await reader.readuntil(b"PING\r\n")  # behind the subscription
        writer.write(PONG)
        words = (await reader.readline()).split()
        writer.write(text.replace("INBOX", words[2].decode()).encode())

    return greet


def test_an_answer_is_taken_with_and_without_a_header() -> None:
    """And with a reply subject, which nobody answers."""
    for text in ("MSG INBOX 1 2\r\nok\r\n", "MSG INBOX 1 r 2\r\nok\r\n", "HMSG INBOX 1 3 5\r\n...ok\r\n"):
        assert b"ok" == asyncio.run(ask(answer_with(text)))[0]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("MSG a 1 xyz\r\n", "a message that is none of NATS"),
        ("MSG INBOX\r\n", "a message that is none of NATS"),
        ("MSG a 1 2\r\nok\r\n", "a message that nobody has asked for"),
        ("MSG INBOX.-1 1 2\r\nok\r\n", "a message that nobody has asked for"),
        ("MSG INBOX1 1 2\r\nok\r\n", "a message that nobody has asked for"),
        ("MSG INBOX" + "9" * 5000 + " 1 2\r\nok\r\n", "a message that nobody has asked for"),
        ("MSG INBOX 1 999999999\r\n", "a message of more than"),
        ("x" * (MAX_LINE_SIZE + 1), "a line of more than"),
        ("-ERR '\x1b[2J\r'\r\n", r"has ended: -ERR '\\x1b\[2J\\r'$"),
    ],
)
def test_what_no_server_sends_ends_it_in_one_line(text: str, complaint: str) -> None:
    """However it is malformed, nothing hangs, and nothing commands the terminal."""
    with pytest.raises(CommandError, match=complaint):
        asyncio.run(ask(answer_with(text)))


@pytest.mark.parametrize(
    ("greeting", "complaint"),
    [
        (b"INFO " + b"[" * 20_000 + b"\r\n", "this is no NATS server"),
        (b"INFO 5\r\n", "this is no NATS server"),
        (b"x" * (MAX_LINE_SIZE + 1), "this is no NATS server"),
        (TLS_INFO, "the server wants TLS"),
    ],
)
def test_a_login_is_not_shown_to_who_greets_otherwise(greeting: bytes, complaint: str) -> None:
    """Nothing at all is sent."""
    with pytest.raises(CommandError, match=complaint) as refused:
        asyncio.run(ask(say(greeting)))
    assert ("",) == refused.value.warnings


def test_what_comes_in_the_clear_counts_for_nothing(tmp_path: Path) -> None:
    """TLS begins right behind the greeting: a server, or somebody in between, says nothing more before it."""
    authority = Authority(tmp_path)
    trusting = ssl.create_default_context(cafile=str(authority.ca_file))
    with pytest.raises(CommandError, match="says more in the clear where TLS is to begin") as refused:
        asyncio.run(ask(encrypt(authority.server_context(), TLS_INFO + PONG), trusting))
    assert ("",) == refused.value.warnings


class NotedMeter(Meter):
    """Notes when it is read."""

    def __init__(self, noted: list[str]) -> None:
        super().__init__({})
        self._noted = noted
        noted.append("begun")

    def read(self) -> dict[str, float]:
        """Do as it is made to."""
        self._noted.append("read")
        return super().read()


class NotedMaker(RequestMaker):
    """Notes when an answer is looked into."""

    def __init__(self, noted: list[str]) -> None:
        super().__init__(ACCOUNT)
        self._noted = noted

    def open(self, answer: bytes) -> bytes:
        """Return it as it is."""
        self._noted.append("opened")
        return answer


LET_IN = b"e30." + encode_segment(b'{"nats":{"jwt":"a.b.c"}}') + b".AA"


def answer_all(*answers: bytes) -> Greeting:
    """Let in whoever comes, and answer one request after the other; empty for no answer."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        await reader.readuntil(b"PING\r\n")
        await reader.readuntil(b"PING\r\n")
        writer.write(PONG)
        for answer in answers:
            words = (await reader.readline()).split()
            await reader.readexactly(int(words[-1]) + len(b"\r\n"))
            if answer:
                writer.write(b"MSG %b 1 %d\r\n%b\r\n" % (words[2], len(answer), answer))

    return greet


def ask_all(
    noted: list[str], answers: Sequence[bytes], run: Callable[[Asker, list[bytes]], Awaitable[Answers]]
) -> Answers:
    """Send as many requests as there are answers."""

    async def scenario() -> Answers:
        maker = NotedMaker(noted)
        async with GreetingServer(answer_all(*answers)) as server, asyncio.timeout(PATIENCE_SECONDS):
            asker = Asker(Login({"user": "perf", "pass": PASSWORD}), maker)
            await asker.connect(Address("127.0.0.1", server.port))
            try:
                return await run(asker, [maker.message("a.b.c", 0) for _ in answers])
            finally:
                await asker.close()

    return asyncio.run(scenario())


def test_cpu_counts_from_the_first_request_on() -> None:
    """An open loop that begins later is idle until then, and the meter of it has not begun."""
    noted: list[str] = []
    begun_at: list[float] = []

    def begin() -> Meter:
        begun_at.append(time.monotonic())
        return NotedMeter(noted)

    asked_at, due_at = time.monotonic(), time.time() + LEAD_SECONDS
    answers = ask_all(
        noted, [LET_IN], lambda asker, messages: asker.ask_on_time(messages, [0.0], PATIENCE_SECONDS, due_at, begin)
    )
    assert begun_at[0] - asked_at > LEAD_SECONDS / 2  # all of it, but for what the other clock is corrected by
    assert answers.cpu.keys() == {"generator", "others", "wall"}


@pytest.mark.parametrize("way", ["on time", "in window"])
def test_cpu_is_read_before_answers_are_looked_into(way: str) -> None:
    """Decoding is the generator's own, and none of what it takes while the clock runs."""
    noted: list[str] = []

    async def run(asker: Asker, messages: list[bytes]) -> Answers:
        if way == "on time":
            return await asker.ask_on_time(messages, [0.0, 0.0], PATIENCE_SECONDS, meter=lambda: NotedMeter(noted))
        return await asker.ask_in_window(messages, 2, PATIENCE_SECONDS, lambda: NotedMeter(noted))

    ask_all(noted, [LET_IN, LET_IN], run)
    assert ("begun", "read") == tuple(noted[:2])
    assert ["read", "opened", "opened"] == noted[-3:]
    assert "read" not in noted[noted.index("opened") :]


@pytest.mark.parametrize("way", ["on time", "in window"])
def test_patience_with_what_stays_unanswered_is_none_of_it(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once at the end of sending, and once at most for an answer after that: not while nothing comes."""
    monkeypatch.setattr(asking, "SILENCE_S", SILENCE_SECONDS)  # on a busy machine the real one may be over before
    noted: list[str] = []

    async def run(asker: Asker, messages: list[bytes]) -> Answers:
        if way == "on time":
            return await asker.ask_on_time(messages, [0.0] * 3, SILENCE_SECONDS, meter=lambda: NotedMeter(noted))
        return await asker.ask_in_window(messages, 3, PATIENCE_SECONDS, lambda: NotedMeter(noted))

    answers = ask_all(noted, [LET_IN, b"", b""], run)
    assert (1, 2) == (answers.answered, answers.unanswered)
    assert 1 <= noted.count("read") <= 2


def test_times_are_of_those_let_in() -> None:
    """A refusal has a time of its own, and every request a moment at which it left."""
    answers = ask_all(
        [], [LET_IN, b"a.b.c", LET_IN], lambda asker, messages: asker.ask_in_window(messages, 1, PATIENCE_SECONDS)
    )
    assert (2, 1, 3) == (len(answers.seconds), len(answers.refusals), len(answers.sent))
    assert answers.sent == sorted(answers.sent)


def test_times_are_told_from_when_requests_were_due_besides() -> None:
    """Of those let in: what the generator was late with is no part of the one, and all of it of the other."""
    due = [0.0, 0.01, 0.02]
    answers = ask_all(
        [], [LET_IN, b"a.b.c", LET_IN], lambda asker, messages: asker.ask_on_time(messages, due, PATIENCE_SECONDS)
    )
    assert answers.behind == pytest.approx([sent - moment for sent, moment in zip(answers.sent, due, strict=True)])
    assert all(late >= 0 for late in answers.behind)
    late = (answers.behind[0], answers.behind[2])
    assert answers.from_due == pytest.approx([took + more for took, more in zip(answers.seconds, late, strict=True)])
    assert 0 == answers.held_s


def test_a_server_that_reads_no_more_ends_an_open_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that was stopped does: in one line, and not with all of the requests in this process."""
    monkeypatch.setattr(asking, "STUCK_S", LEAD_SECONDS)  # in earnest ten, in which nothing happens
    messages = [b"x" * MEGABYTE] * 64

    async def scenario() -> None:
        async with GreetingServer(stop_reading) as server, asyncio.timeout(PATIENCE_SECONDS):
            asker = Asker(Login({"user": "perf", "pass": PASSWORD}), RequestMaker(ACCOUNT))
            await asker.connect(Address("127.0.0.1", server.port))
            try:
                await asker.ask_on_time(messages, [0.0] * len(messages), PATIENCE_SECONDS)
            finally:
                await asker.close()

    with pytest.raises(CommandError, match=r"^nats-server takes no more requests: it has not taken within 0\.3 s "):
        asyncio.run(scenario())
