"""Tests of `callout.urls`."""

from ipaddress import IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.util import parse_url

from callout.urls import Origin, is_in_cluster, is_loopback, parse_origin


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://kubernetes.default.svc/openid/v1/jwks", Origin("https", "kubernetes.default.svc", 443)),
        ("https://10.96.0.1:6443", Origin("https", "10.96.0.1", 6443)),
        ("HTTPS://API.Example:443/", Origin("https", "api.example", 443)),
        ("https://[fd00::1]:6443/k8s/clusters/c-1", Origin("https", "[fd00::1]", 6443)),
        ("http://127.0.0.1:8001/x?y=z", Origin("http", "127.0.0.1", 8001)),
        ("http://localhost/keys", Origin("http", "localhost", 80)),
        ("http://[::1]/keys", Origin("http", "[::1]", 80)),
    ],
)
def test_a_proper_url_leads_to_its_origin(url: str, origin: Origin) -> None:
    """Scheme and host are compared in lower case, and a port that is not written is the scheme's own."""
    assert origin == parse_origin(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://kubernetes.default.svc/keys",  # not TLS, not this machine
        "http://128.0.0.1/",
        "http://localhost.example/",
        "ftp://127.0.0.1/keys",
        "https://user:password@api.example/keys",
        "https://user@api.example",
        r"https://api.example\@elsewhere.example/",
        "https://api.example#@elsewhere.example/",
        "https://api.example?x=@elsewhere.example/",
        "https://api.example/a b",
        "https://api.example/a\r\nHost: elsewhere",
        "https://api.example:0/",
        "https://api.example:65536/",
        "https://api.example:99999999/",
        "https:///keys",
        "https://[1]/keys",  # brackets are for IPv6 (RFC 3986 section 3.2.2)
        "https://[127.0.0.1]/keys",
        "https://[::1:]",
        "api.example/keys",
        "",
    ],
)
def test_any_other_url_is_refused(url: str) -> None:
    """Nothing is sent without TLS beyond this machine, nor to an address that could be read in two ways."""
    with pytest.raises(ValueError, match="URL"):
        parse_origin(url)


def test_a_refused_url_is_not_repeated() -> None:
    """A password in a URL does not come out in the message."""
    with pytest.raises(ValueError, match="user name or password") as caught:
        parse_origin("https://user:hunter2@api.example/")
    assert "hunter2" not in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(st.ip_addresses(v=6))
def test_any_ipv6_address_is_a_host(address: IPv6Address) -> None:
    """Here and in urllib3."""
    url = f"https://[{address}]/keys"
    assert parse_origin(url).host == parse_url(url).host == f"[{address}]"


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=r"htps:/@\[]?#.a1%-", max_size=24).map("https://".__add__))
def test_the_http_library_reads_the_same_origin(url: str) -> None:
    """Whatever is taken as a URL leads to the same host and port in urllib3: a token cannot go astray."""
    try:
        origin = parse_origin(url)
    except ValueError:
        return
    other = parse_url(url)
    assert (origin.scheme, origin.host, origin.port) == (other.scheme, other.host, other.port or 443)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("[::1]", True),
        ("localhost", True),
        ("10.0.0.1", False),
        ("example", False),
    ],
)
def test_loopback_is_this_machine(host: str, expected: bool) -> None:
    """The whole of 127.0.0.0/8, ::1 and localhost are this machine, and nothing else is."""
    assert expected is is_loopback(host)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("kubernetes.default", True),
        ("dex.auth.svc", True),
        ("dex.auth.svc.cluster.local", True),
        ("oidc.example", False),
        ("svc", False),
        ("svc.cluster.local.example", False),
    ],
)
def test_names_of_services_are_in_cluster(host: str, expected: bool) -> None:
    """The cluster's CA may vouch for names that only cluster DNS gives, and for no others."""
    assert expected is is_in_cluster(host)
