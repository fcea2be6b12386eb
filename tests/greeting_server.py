"""A server that greets as no nats-server does, and then behaves: what somebody in between, or another program, can say.

A real nats-server cannot be made to begin with anything but a good INFO, or to break a TLS handshake off. One that is
stopped (SIGSTOP) reads no more, but from nobody, where this one goes on with the next connection. Beyond the greeting
it knows PING and PONG; it holds all else for payload.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

INFO = b'INFO {"server_id":"x","version":"2.15.1","proto":1,"max_payload":1048576}\r\n'
TLS_INFO = INFO.replace(b"}", b',"tls_required":true}')

MAX_LINE_SIZE = 64 << 20
"""Bytes; payload may be one line."""

Greeting = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What is done with a connection before it is served; what closes it ends it."""


def say(line: bytes) -> Greeting:
    """Begin with that line."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(line)

    return greet


def encrypt(context: ssl.SSLContext, info: bytes = TLS_INFO) -> Greeting:
    """Begin as nats-server does with TLS."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(info)
        await writer.start_tls(context)

    return greet


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """End the connection when TLS is to begin."""
    writer.write(TLS_INFO)
    await reader.read(1)
    writer.close()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Break the connection off when TLS is to begin."""
    writer.write(TLS_INFO)
    await reader.read(1)
    writer.transport.abort()


async def be_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say nothing more when TLS is to begin, and read until the other side ends it."""
    writer.write(TLS_INFO)
    while await reader.read(1 << 16):
        pass


async def stop_reading(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Let in, and read no more from then on."""
    writer.write(INFO + b"PONG\r\n")
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # the stream's transport reads, too
    await asyncio.Event().wait()


class GreetingServer:
    """Listens on loopback within an `async with` block, whose end breaks off what is still connected.

    Args:
        usual: how a connection begins.
        first: how the first ones begin instead, one each.

    Attributes:
        port: where it listens.
        connections: how many there were.
        heard: all that was sent to it over those that were served.
    """

    def __init__(self, usual: Greeting, *first: Greeting) -> None:
        self.port = 0
        self.connections = 0
        self.heard = b""
        self._usual = usual
        self._first = list(first)
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=MAX_LINE_SIZE)
        self.port = self._listening.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listening.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Break off all connections."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def answer(self, line: bytes) -> bytes:
        """What is said to a line that was heard, if anything."""
        return b"PONG\r\n" if line.startswith(b"PING") else b""

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        greeting = self._first.pop(0) if self._first else self._usual
        self._tasks.append(asyncio.create_task(self._serve(greeting, reader, writer)))

    async def _serve(self, greeting: Greeting, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await greeting(reader, writer)
            while line := await reader.readline():
                self.heard += line
                writer.write(self.answer(line))
        except OSError:  # the other side has had enough
            pass
        finally:
            writer.close()
