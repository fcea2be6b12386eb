"""NATS_URL: read as the Go client reads it, and its password never seen."""

import traceback
from urllib.parse import quote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from callout.config.nats_url import Servers, parse_nats_url, redact, split
from callout.secret import Secret
from tests.nats_minting import NatsKey

MODERATE = settings(max_examples=300, deadline=None)
# No part of any message, so that finding it in one means that it came out of the password.
MARK = "Zq7"
hosts = st.sampled_from(["nats", "nats.nats.svc", "127.0.0.1", "[::1]", "my_host"])
ports = st.sampled_from(["", ":4222", ":1", ":65535"])
schemes = st.sampled_from(["", "nats://", "tls://"])


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("nats://nats:4222", Servers(("nats://nats:4222",))),
        ("nats", Servers(("nats://nats",))),
        ("localhost:4222/", Servers(("nats://localhost:4222",))),
        ("tls://a, nats://b:1 ,", Servers(("tls://a", "nats://b:1"))),
        ("WSS://[::1]:443,ws://b", Servers(("wss://[::1]:443", "ws://b"))),
        ("nats://u:p@a", Servers(("nats://a",), user="u", password=Secret("p"))),
        ("u:p@a:1,b:2", Servers(("nats://a:1", "nats://b:2"), user="u", password=Secret("p"))),
        ("nats://u:p@a,nats://u:p@b", Servers(("nats://a", "nats://b"), user="u", password=Secret("p"))),
        ("nats://t0ken@a", Servers(("nats://a",), token=Secret("t0ken"))),
        ("nats://u:p@ss:w@a", Servers(("nats://a",), user="u", password=Secret("p@ss:w"))),
        ("nats://a%40b:%2F%25@h", Servers(("nats://h",), user="a@b", password=Secret("/%"))),
    ],
)
def test_addresses_and_login_are_taken_apart(text: str, servers: Servers) -> None:
    """A scheme may be missing; user and password are percent-decoded, as the Go client does it."""
    assert servers == split(Secret(text))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (",", "nothing"),
        ("http://nats:4222", "scheme"),
        ("nats://", "no valid address"),
        ("nats://nats:0", "port"),
        ("nats://nats:65536", "port"),
        ("nats://nats:x", "no valid address"),
        ("nats://a b", "space"),
        ("nats://nats:4222/path", "no valid address"),
        ("nats://nats,ws://nats", "mixes"),
        ("nats://u:p@a,nats://u:q@b", "different users"),
        ("nats://u:%zz@a", "begins no escape"),
        ("nats://@a", "no valid address"),
        (NatsKey.generate("user").seed, "a secret where a host should stand"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(text: str, wrong: str) -> None:
    """Each mistake has words of its own."""
    with pytest.raises(ValueError, match=wrong):
        parse_nats_url(text)


@MODERATE
@given(schemes, hosts, ports, st.text(min_size=1), st.text())
def test_an_encoded_login_comes_back_whole(scheme: str, host: str, port: str, user: str, password: str) -> None:
    """Any user and password can be given, percent-encoded."""
    assume(all(character < "\ud800" or character > "\udfff" for character in user + password))
    url = Secret(f"{scheme}{quote(user, safe='')}:{quote(password, safe='')}@{host}{port}")
    assert Servers((f"{scheme or 'nats://'}{host}{port}",), user, Secret(password)) == split(url)
    assert f"{scheme or 'nats://'}***@{host}{port}" == redact(url)


@MODERATE
@given(
    schemes,
    hosts,
    ports,
    st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    st.sampled_from(["", "1,", "12/", "3?", "4#", "5@"]),
)
def test_no_part_of_a_password_is_ever_shown(scheme: str, host: str, port: str, rest: str, head: str) -> None:
    """However carelessly a password was put into the address, neither a message nor a log shows a piece of it."""
    url = f"{scheme}user:{head}{MARK}{rest}@{host}{port},{scheme}{host}"
    try:
        secret = parse_nats_url(url)
        shown = redact(secret) + repr(split(secret)) + repr(secret)
    except ValueError as error:
        shown = "".join(traceback.format_exception(error))
    assert MARK not in shown


@pytest.mark.parametrize(
    "text", ["nats://u:12,34@a", "nats://u:12/34@a", "nats://u:12?34@a", "nats://u:12#34@a", "nats://u:12,@a"]
)
def test_a_password_is_not_taken_for_a_port(text: str) -> None:
    """Digits before an unencoded separator look like a port; such an address is refused."""
    with pytest.raises(ValueError, match="%2F"):
        parse_nats_url(text)
