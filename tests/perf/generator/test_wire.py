"""What the generators send: as the protocols have it, and addresses read as they are written."""

import json
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from callout.config.credentials import CredentialError
from perf.generator.wire import (
    MAX_QUOTED,
    MAX_TOKEN,
    NATS_PORTS,
    PONG,
    WEBSOCKET_PORTS,
    Address,
    Login,
    mqtt_connect,
    parse_address,
    read_greeting,
    read_inner_greeting,
    read_login,
    say_why,
    show_said,
    websocket_frame,
    websocket_upgrade,
)
from tests.interop.bootstrapped import Server
from tests.interop.environments import BINARIES
from tests.waiting import PATIENCE_SECONDS


def test_a_login_shows_the_token_and_the_sentinel() -> None:
    """As a pod does; the PING behind it asks for the verdict."""
    head, rest = Login.by_token("t", "s").line().split(b"\r\n", 1)
    members = json.loads(head.removeprefix(b"CONNECT "))
    assert ("t", "s", b"PING\r\n") == (members["auth_token"], members["jwt"], rest)
    assert "jwt" not in Login.by_token("t").members


def test_the_longest_token_is_what_nats_server_takes(tmp_path: Path) -> None:
    """A real one, as it is when nobody tells it otherwise: a byte more, and it ends the connection."""
    folder = tmp_path / "nats"
    folder.mkdir()
    (folder / "nats.conf").write_text("listen: 127.0.0.1:4222\n")
    with Server(BINARIES[0].path, folder) as server:
        address = urlsplit(server.url)
        verdicts = [log_in(address.port or 0, "t" * (MAX_TOKEN + more)) for more in (0, 1)]
    assert [PONG, b"-ERR 'maximum control line exceeded'\r\n"] == verdicts


def log_in(port: int, token: str) -> bytes:
    """Show a token to a server that wants none; return what it says to that."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        lines = connection.makefile("rb")
        assert lines.readline().startswith(b"INFO ")
        connection.sendall(Login.by_token(token).line())
        return lines.readline()


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [("nats://nats", "nats", 4222), ("NATS://10.0.0.1:5222/", "10.0.0.1", 5222), ("nats://[::1]:4", "::1", 4)],
)
def test_an_address_is_a_host_and_a_port(url: str, host: str, port: int) -> None:
    """The port is that of the scheme unless it is said."""
    assert Address(host, port) == parse_address(url, NATS_PORTS)


def test_tls_is_checked_by_the_systems_authorities() -> None:
    """Unless others are named."""
    address = parse_address("tls://nats", NATS_PORTS)
    assert address.tls is not None
    assert address.tls.check_hostname


@pytest.mark.parametrize(
    "url",
    [
        "nats://a",
        "ws://",
        "ws://u:p@a",
        "a:80",
        "ws://a:x",
        "ws://a,ws://b",
        "ws://a:0",
        "ws://a:65536",
        "ws://a/b",
        "",
    ],
)
def test_what_is_no_listeners_address_is_refused(url: str) -> None:
    """One line says why."""
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        parse_address(url, WEBSOCKET_PORTS)
    assert Address("a", 80) == parse_address("ws://a", WEBSOCKET_PORTS)


@pytest.mark.parametrize("size", [0, 125, 126, 4000])
def test_a_frame_says_how_long_it_is(size: int) -> None:
    """RFC 6455 section 5.2: masked, with a mask that changes nothing."""
    payload = bytes(range(256)) * 16
    frame = websocket_frame(payload[:size])
    assert 0x82 == frame[0]
    short = frame[1] & 0x7F
    length = short if short < 126 else int.from_bytes(frame[2:4])
    assert (size, 0x80, bytes(4) + payload[:size]) == (length, frame[1] & 0x80, frame[2 if short < 126 else 4 :])


def test_an_upgrade_ends_its_head() -> None:
    """Else the server would wait for more."""
    head = websocket_upgrade("a:80")
    assert head.startswith(b"GET / HTTP/1.1\r\nHost: a:80\r\n")
    assert head.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("token", ["t", "t" * 200, "t" * 3000])
def test_an_mqtt_client_says_how_long_its_packet_is(token: str) -> None:
    """MQTT 3.1.1 section 2.2.3: seven bits a byte, the last without the eighth."""
    packet = mqtt_connect("c", token)
    length, place = 0, 1
    while True:
        length |= (packet[place] & 0x7F) << 7 * (place - 1)
        place += 1
        if not packet[place - 1] & 0x80:
            break
    assert (0x10, len(packet) - place) == (packet[0], length)
    assert packet.endswith(len(token).to_bytes(2) + token.encode())


@pytest.mark.parametrize(
    ("url", "greeting", "nonce"),
    [
        ("nats://a", 'INFO {"nonce":"n"}', "n"),
        ("nats://a", "INFO {} ", ""),
        ("nats://a", 'INFO {"tls_available":true}', ""),
        ("tls://a", 'INFO {"tls_available":true}', ""),
        ("tls://a", 'INFO {"tls_required":true,"nonce":"n"}', "n"),
    ],
)
def test_a_greeting_has_the_nonce(url: str, greeting: str, nonce: str) -> None:
    """Which credentials sign; without them a server may leave it out."""
    address = parse_address(url, NATS_PORTS)
    assert nonce == read_greeting(greeting.encode(), address)


@pytest.mark.parametrize(
    ("url", "greeting", "complaint"),
    [
        ("nats://a", 'INFO {"tls_required":true}', "write tls:// for nats://"),
        ("tls://a", "INFO {}", "the server has no TLS"),
        ("nats://a", "INFO [1]", "this is no NATS server"),
        ("nats://a", "SSH-2.0-OpenSSH_9.2", "this is no NATS server"),
        ("nats://a", "", "this is no NATS server"),
        ("nats://a", "{}", "this is no NATS server"),
        ("nats://a", "INFO " + "[" * 20_000, "this is no NATS server"),
        ("nats://a", "-ERR 'maximum connections exceeded'", "^-ERR 'maximum connections exceeded'$"),
    ],
)
def test_a_greeting_is_read_before_anybody_logs_in(url: str, greeting: str, complaint: str) -> None:
    """Nobody logs in where server and address disagree about TLS, or where no server is."""
    address = parse_address(url, NATS_PORTS)
    with pytest.raises(ConnectionError, match=complaint):
        read_greeting(greeting.encode(), address)


def test_a_greeting_through_a_websocket_comes_behind_its_tls() -> None:
    """It says nothing of TLS then; in the clear it may still say that it is wanted."""
    read_inner_greeting(b"INFO {}", parse_address("wss://a", WEBSOCKET_PORTS))
    with pytest.raises(ConnectionError, match="write wss:// for ws://"):
        read_inner_greeting(b'INFO {"tls_required":true}', parse_address("ws://a", WEBSOCKET_PORTS))


def test_what_a_server_says_commands_no_terminal() -> None:
    """Control characters and broken text are written as escapes, and a long text is cut."""
    assert "-ERR '\\x1b[2J\\r'" == show_said(b"-ERR '\x1b[2J\r'")
    assert MAX_QUOTED + 1 == len(show_said(b"x" * 5000))


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (TimeoutError(), "no answer"),
        (ConnectionRefusedError(111, "Connection refused"), "[Errno 111] Connection refused"),
        (OSError(), "OSError"),
        (
            ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] _ssl.c:1006"),
            "there is no TLS with the other side: it may speak none, or want what this one has not",
        ),
    ],
)
def test_why_there_is_no_connection_is_never_empty(error: Exception, line: str) -> None:
    """Whatever the error has to say for itself."""
    assert line == say_why(error)


def test_credentials_that_are_none_are_refused(tmp_path: Path) -> None:
    """Before anything is connected to."""
    with pytest.raises(CredentialError, match="cannot be read"):
        read_login(tmp_path / "missing.creds")
