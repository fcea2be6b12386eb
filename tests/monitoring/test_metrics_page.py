"""How a query is held against a page of /metrics."""

import pytest
from prometheus_client.samples import Sample

from tests.monitoring.metrics_page import Selector, read_selectors

SAMPLE = Sample("nats_auth_requests_total", {"result": "denied", "reason": "token_expired"}, 1.0)


def test_selectors_are_found_with_their_matchers() -> None:
    """Wherever they stand in a query, over several lines too, with matchers or without."""
    query = 'sum by (x) (rate(nats_auth_a_total{ b!="c",\n d=~"e|f" }[5m])) / nats_auth_g > 1'
    expected = [
        Selector("nats_auth_a_total", (("b", "!=", "c"), ("d", "=~", "e|f"))),
        Selector("nats_auth_g"),
    ]
    assert expected == read_selectors(query)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("nats_auth_requests_total", True),
        ("nats_auth_requests", False),
        ('nats_auth_requests_total{result="denied"}', True),
        ('nats_auth_requests_total{result="refused"}', False),
        ('nats_auth_requests_total{result!="allowed"}', True),
        ('nats_auth_requests_total{result!="denied"}', False),
        ('nats_auth_requests_total{reason=~"token_expired|x"}', True),
        ('nats_auth_requests_total{reason=~"token"}', False),
        ('nats_auth_requests_total{reason!~"token_expired|x"}', False),
        ('nats_auth_requests_total{job="callout", result="denied"}', True),
        ('nats_auth_requests_total{state="serving"}', False),
    ],
)
def test_a_selector_selects_as_prometheus_does(query: str, expected: bool) -> None:
    """Regular expressions match the whole value; labels of the target are not on the page."""
    [selector] = read_selectors(query)
    assert expected is selector.selects(SAMPLE)


def test_each_value_that_is_listed_is_asked_for() -> None:
    """A list of which one value exists would hide that another does not."""
    [selector] = read_selectors('nats_auth_a{job=~"$job", reason=~"b|c", state="d"}')
    expected = [Selector("nats_auth_a", (("reason", "=", one),)) for one in ("b", "c")]
    assert expected == list(selector.alternatives())
