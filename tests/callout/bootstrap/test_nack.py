"""How NACK's streams are joined to what clients publish."""

import pytest

from callout.bootstrap.choices import Choices, Layout
from callout.bootstrap.nack import Bridge, build_bridge, find_stream_account
from callout.nats_jwt import Import


@pytest.mark.parametrize(
    ("layout", "account"),
    [("inside", "AUTH_ACCOUNT"), ("none", "AUTH_ACCOUNT"), ("import", "NACK"), ("service", "NACK")],
)
def test_one_account_has_jetstream(layout: str, account: str) -> None:
    """The clients' own, unless something joins it to NACK's."""
    assert account == find_stream_account(Choices(nack=Layout(layout)))


@pytest.mark.parametrize("layout", ["inside", "none"])
def test_nothing_is_shared_within_one_account(layout: str) -> None:
    """There is nothing to bridge."""
    assert build_bridge(Choices(nack=Layout(layout))) is None


def bridge(layout: Layout) -> Bridge:
    """What joins the accounts."""
    found = build_bridge(Choices(nack=layout, events=("events.>", "orders")))
    assert found is not None
    return found


def test_by_import_nack_receives() -> None:
    """Each subject is a stream that the clients' account exports."""
    found = bridge(Layout.IMPORT)
    expected = [("events.>", "stream"), ("orders", "stream")]
    assert ("AUTH_ACCOUNT", "NACK") == (found.source, found.target)
    assert expected == [(one.subject, one.type) for one in found.exports]


def test_by_service_clients_ask() -> None:
    """Each subject is a service of NACK's account; so are fetching, with its many answers, and acknowledging."""
    found = bridge(Layout.SERVICE)
    assert ("NACK", "AUTH_ACCOUNT") == (found.source, found.target)
    assert {"service"} == {one.type for one in found.exports}
    assert ["events.>", "orders", "$JS.API.CONSUMER.MSG.NEXT.>", "$JS.API.CONSUMER.INFO.>", "$JS.ACK.>"] == [
        one.subject for one in found.exports
    ]
    assert ["$JS.API.CONSUMER.MSG.NEXT.>"] == [one.subject for one in found.exports if one.response_type == "Stream"]


@pytest.mark.parametrize("layout", [Layout.IMPORT, Layout.SERVICE])
def test_all_that_is_exported_is_imported(layout: Layout) -> None:
    """Under the same subject, from that account."""
    found = bridge(layout)
    expected = tuple(Import(one.subject, "AKEY", one.type, one.name) for one in found.exports)
    assert expected == found.imports("AKEY")
