"""What the generators send: as the protocols have it, and addresses read as they are written."""

import json
from pathlib import Path

import pytest

from perf.wire import (
    Address,
    Login,
    mqtt_connect,
    parse_address,
    parse_nats_url,
    websocket_frame,
    websocket_upgrade,
)


def test_a_login_shows_the_token_and_the_sentinel() -> None:
    """As a pod does; the PING behind it asks for the verdict."""
    head, rest = Login.by_token("t", "s").line().split(b"\r\n", 1)
    members = json.loads(head.removeprefix(b"CONNECT "))
    assert ("t", "s", b"PING\r\n") == (members["auth_token"], members["jwt"], rest)
    assert "jwt" not in Login.by_token("t").members


@pytest.mark.parametrize(
    ("url", "host", "port", "members"),
    [
        ("nats://nats", "nats", 4222, {}),
        ("nats://u:p%40@10.0.0.1:5222", "10.0.0.1", 5222, {"user": "u", "pass": "p@"}),
        ("nats://word@[::1]:4", "::1", 4, {"auth_token": "word"}),
    ],
)
def test_an_address_may_say_who_connects(url: str, host: str, port: int, members: dict[str, str]) -> None:
    """User and password, a token, or nobody."""
    assert (Address(host, port), Login(members)) == parse_nats_url(url)


def test_tls_is_checked_by_the_systems_authorities() -> None:
    """Unless others are named."""
    address, _ = parse_nats_url("tls://nats")
    assert address.tls is not None
    assert address.tls.check_hostname


@pytest.mark.parametrize("url", ["nats://a,nats://b", "http://a", "ws://a", "nats://a:b", ""])
def test_what_is_no_nats_address_is_refused(url: str) -> None:
    """One line says why."""
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        parse_nats_url(url)


@pytest.mark.parametrize("url", ["nats://a", "ws://", "ws://u:p@a", "a:80", "ws://a:x"])
def test_what_is_no_listeners_address_is_refused(url: str) -> None:
    """One line says why."""
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        parse_address(url, ("ws", "wss"), 80)
    assert Address("a", 80) == parse_address("ws://a", ("ws", "wss"), 80)


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


def test_credentials_that_are_none_are_refused(tmp_path: Path) -> None:
    """Before anything is connected to."""
    with pytest.raises(Exception, match="cannot be read"):
        parse_nats_url("nats://a", tmp_path / "missing.creds")
