"""Pages that are read over HTTP: the service's metrics, and the time."""

import json
import re
from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.util import parse_url

from callout.doctor import web
from callout.doctor.replicas import Page
from tests.callout.doctor.site import PAGE, Site
from workers.metrics import ALLOWED


def test_requests_are_counted_by_reason(site: Site) -> None:
    """The empty reason is that of those let in, and other counters do not count; a page that is named twice is one."""
    page = Page({ALLOWED: 3.0, "token_malformed": 2.0})
    assert {site.url: page} == web.read_pages([site.url])
    other = f"{site.url}?other"
    assert {site.url: page, other: page} == web.read_pages([site.url, other, site.url])


def test_workers_are_counted_that_are_subscribed(site: Site) -> None:
    """Others hear no requests."""
    states = ("starting", 1), ("waiting", 2), ("serving", 3), ("disconnected", 4), ("draining", 5)
    site.body += "".join(f'nats_auth_workers{{state="{state}"}} {number}.0\n' for state, number in states).encode()
    assert 3 == web.read_pages([site.url])[site.url].workers


@pytest.mark.parametrize("number", ["NaN", "+Inf", "-Inf", "1e999"])
def test_what_is_no_number_of_anything_counts_for_nothing(site: Site, number: str) -> None:
    """The format of metrics knows them."""
    site.body += f'nats_auth_workers{{state="serving"}} {number}\n'.encode()
    site.body += f'nats_auth_requests_total{{result="denied",reason="token_issuer"}} {number}\n'.encode()
    assert Page({ALLOWED: 3.0, "token_malformed": 2.0}) == web.read_pages([site.url])[site.url]


def test_nothing_secret_is_sent(site: Site) -> None:
    """Anybody may ask for these pages."""
    web.read_pages([site.url])
    assert not {"authorization", "cookie"} & site.asked[0].keys()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, PAGE),
        (500, PAGE),
        (200, b""),
        (200, b"\xff\xfe"),
        (200, b"<html>"),
        (200, b"nats_auth_requests_total{reason="),
        (200, b"another_total 1\n"),
        (200, b"x" * (web.MAX_PAGE_BYTES + 1)),
        (200, json.dumps({}).encode()),
    ],
)
def test_a_page_that_tells_nothing_is_told_of(site: Site, status: int, body: bytes) -> None:
    """Whoever has named it counts on it."""
    assert web.read_pages([site.url])
    site.status, site.body = status, body
    with pytest.raises(web.PageError) as caught:
        web.read_pages([site.url])
    assert str(caught.value).startswith(site.url)


def test_another_page_is_told_of_with_the_right_path(site: Site) -> None:
    """The service has several, and the address is easily taken from one of them."""
    site.status, site.body = 404, b"not found"
    line = f"{site.url} is no page of this service's metrics (status 404); its path is /metrics"
    with pytest.raises(web.PageError, match=f"^{re.escape(line)}$"):
        web.read_pages([site.url])
    site.status, site.body = 200, b"ok"
    line = f"{site.url} is no page of this service's metrics; its path is /metrics"
    with pytest.raises(web.PageError, match=f"^{re.escape(line)}$"):
        web.read_pages([site.url])


def test_nobody_there_is_told_of(site: Site) -> None:
    """Even where another replica answers: what one counts would be half the truth."""
    line = r"^http://127\.0\.0\.1:1/metrics cannot be read: no connection to 127\.0\.0\.1 \(connection refused\)"
    with pytest.raises(web.PageError, match=line):
        web.read_pages([site.url, "http://127.0.0.1:1/metrics"])


def test_redirects_are_not_followed(site: Site) -> None:
    """The page is the one that was named."""
    site.status, site.headers = 302, {"Location": site.url}
    with pytest.raises(web.PageError):
        web.read_pages([site.url])
    assert 1 == len(site.asked)


def test_the_time_is_read_off_an_answer(site: Site) -> None:
    """Whatever its status is."""
    site.status, site.headers = 404, {"Date": formatdate(0, usegmt=True)}
    reading = web.read_clock(site.url, "somebody")
    assert reading is not None
    assert ("somebody", False) == (reading.whose, reading.is_nats)
    assert reading.ahead > 1_000_000_000
    site.headers = {}
    assert web.read_clock(site.url, "somebody") is None
    assert web.read_clock("http://127.0.0.1:1/", "nobody") is None


@pytest.mark.parametrize(
    "url", ["http://10.0.0.7:8080/metrics", "https://pod.ns.svc/metrics?a=b", "http://[::1]:8080/metrics", "http://pod"]
)
def test_addresses_of_pages(url: str) -> None:
    """A pod's is one in the clear: what is read there is no secret."""
    assert web.is_page(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "pod:8080/metrics",
        "ftp://pod/metrics",
        "http://",
        "http://user:password@pod/metrics",
        "http://pod/a b",
        "http://pod/\n",
        "http://pod:99999/",
        "http://pod:x/",
        "http://a:b:c/",
        "http://[::1",
        "http://[x]/",
        "http://[]/",
        "file:///etc/passwd",
    ],
)
def test_what_is_no_address_of_a_page(url: str) -> None:
    """Nor one with a password: addresses are shown."""
    assert not web.is_page(url)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=24) | st.from_regex(r"https?://[a-z0-9.:\[\]@-]{1,16}(/.?)?", fullmatch=True))
def test_any_text_is_an_address_or_none(text: str) -> None:
    """What is one can be asked: the library that asks reads a host in it."""
    assert not web.is_page(text) or parse_url(text).host
