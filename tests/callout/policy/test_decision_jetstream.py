"""What annotations may add of JetStream: to use streams, and not to administer them."""

import msgspec
import pytest

from callout.policy.decision import decide, make_record
from callout.policy.subjects import covers
from callout.policy.verdict import DropReason
from callout.serviceaccounts import ServiceAccount
from tests.callout.policy.asking import RULES

STREAM_REQUESTS = (
    *("CREATE", "UPDATE", "RESTORE", "TEMPLATE.CREATE", "DELETE", "PURGE", "MSG.DELETE", "SNAPSHOT"),
    *("PEER.REMOVE", "LEADER.STEPDOWN"),
)


def publisher(pub: str) -> ServiceAccount:
    """A ServiceAccount that asks to publish."""
    return ServiceAccount("orders", "checkout", "u-1", {"nats.io/allowed-pub-subjects": pub})


def test_jetstream_may_be_used_but_streams_may_not_be_made() -> None:
    """A stream could be made on somebody else's private inbox and read back, so that part is denied again."""
    verdict = decide(publisher("$JS.API.>"), RULES)
    assert [granted.subject for granted in verdict.pub] == ["orders.>", "$JS.API.>"]
    assert "$JS.API.STREAM.CREATE.>" in verdict.denied_pub
    assert b'"deny":["$JS.API.STREAM.CREATE.>"' in make_record(publisher("$JS.API.>"), verdict, RULES).permissions


@pytest.mark.parametrize(
    "subject",
    [
        f"$JS.{domain}API.STREAM.{request}.{stream}"
        for domain in ("", "hub.", "*.")
        for request in STREAM_REQUESTS
        for stream in ("mine", "*", ">")
    ],
)
def test_an_entry_that_only_administers_streams_is_dropped(subject: str) -> None:
    """There is nothing left of it to grant."""
    verdict = decide(publisher(subject), RULES)
    assert [dropped.reason for dropped in verdict.dropped] == [DropReason.STREAM_ADMIN]
    assert verdict.denied_pub == ()


@pytest.mark.parametrize("domain", ["", "hub."])
def test_jetstream_may_be_used_but_streams_may_not_be_emptied_or_deleted(domain: str) -> None:
    """They are somebody else's; to look them up, to read and to consume stays granted."""
    verdict = decide(publisher("$JS.>"), RULES)
    for request in STREAM_REQUESTS:
        assert any(covers(denied, f"$JS.{domain}API.STREAM.{request}.theirs") for denied in verdict.denied_pub)
    for request in ("STREAM.INFO.a", "STREAM.NAMES", "STREAM.LIST", "STREAM.MSG.GET.a", "CONSUMER.CREATE.a"):
        assert not any(covers(denied, f"$JS.{domain}API.{request}") for denied in verdict.denied_pub)


def test_what_is_denied_again_is_only_what_was_granted() -> None:
    """A deny list names no more than it has to."""
    verdict = decide(publisher("$JS.API.STREAM.*.mine"), RULES)
    assert "$JS.API.STREAM.DELETE.>" in verdict.denied_pub
    assert "$JS.*.API.STREAM.DELETE.>" not in verdict.denied_pub
    assert "$JS.API.STREAM.MSG.DELETE.>" not in verdict.denied_pub
    assert decide(publisher("$JS.API.STREAM.INFO.mine,$JSX.>"), RULES).denied_pub == ()


def test_the_administrator_may_let_annotations_grant_the_administration_of_streams() -> None:
    """With the switch on nothing of JetStream is held back."""
    rules = msgspec.structs.replace(RULES, stream_admin=True)
    verdict = decide(publisher("$JS.API.>, $JS.API.STREAM.CREATE.mine, $JS.API.STREAM.PURGE.*"), rules)
    assert (verdict.dropped, verdict.denied_pub) == ((), ())
