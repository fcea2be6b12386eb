"""What the client should be able to do, and what it could."""

import shlex
from typing import Any

import msgspec
import pytest

from callout.doctor.expectations import (
    FORBIDDEN,
    Behaviour,
    Delivery,
    StreamState,
    judge_delivery,
    judge_permissions,
    miss_permissions,
)
from callout.doctor.findings import Check, Severity
from callout.policy.verdict import Dropped, DropReason, Granted, Side, Source, Verdict
from callout.serviceaccounts import ServiceAccount

CHECKOUT = ServiceAccount("orders", "checkout", "u-1", {})
VERDICT = Verdict(
    pub=(Granted("orders.>", Source.NAMESPACE),),
    sub=(Granted("orders.>", Source.NAMESPACE), Granted("_INBOX_orders_checkout.>", Source.PRIVATE_INBOX)),
    dropped=(),
    unknown_annotations=(),
)
DROPPED = Dropped(Side.PUB, ">", DropReason.LEADING_WILDCARD)
STATE = StreamState(messages=5, last=7, subjects=("events.>",))
ARRIVED = Delivery("EVENTS", "events.doctor", STATE, StreamState(6, 8, ("events.>",)), published=True)


def test_what_is_granted_is_shown() -> None:
    """Both sides, so that a reader can compare them with what a client needs."""
    finding = judge_permissions(CHECKOUT, VERDICT, Behaviour((), ()))
    assert (Check.PERMISSIONS, Severity.OK) == (finding.check, finding.severity)
    assert ("publish: orders.>", "subscribe: orders.>, _INBOX_orders_checkout.>") == finding.details


def test_a_side_without_subjects_is_shown_as_nothing() -> None:
    """An empty line could be read as everything."""
    finding = judge_permissions(CHECKOUT, msgspec.structs.replace(VERDICT, pub=()), Behaviour((), ()))
    assert "publish: nothing" == finding.details[0]


@pytest.mark.parametrize(
    ("behaviour", "verdict", "severity", "words", "mend"),
    [
        (Behaviour((), FORBIDDEN), VERDICT, Severity.WRONG, "subscribe to > and publish to $SYS", "nats server report"),
        (Behaviour((), FORBIDDEN[:1]), VERDICT, Severity.WRONG, "may subscribe to >, which this", "nats server report"),
        (
            Behaviour(("orders.>",), ()),
            VERDICT,
            Severity.WRONG,
            "may not subscribe to orders.>, which orders/checkout should give it",
            "callout explain --serviceaccount orders/checkout",
        ),
        (
            Behaviour((), ()),
            msgspec.structs.replace(VERDICT, dropped=(DROPPED, DROPPED)),
            Severity.NOTICE,
            "2 entries of orders/checkout's annotations are not granted",
            "callout explain --serviceaccount orders/checkout",
        ),
        (Behaviour(("orders.>",), FORBIDDEN), VERDICT, Severity.WRONG, "grants to nobody", "nats server report"),
    ],
)
def test_what_differs_is_named(
    behaviour: Behaviour, verdict: Verdict, severity: Severity, words: str, mend: str
) -> None:
    """What nobody may do comes first: somebody else answers then."""
    finding = judge_permissions(CHECKOUT, verdict, behaviour)
    assert severity == finding.severity
    assert words in finding.what
    assert finding.mend.startswith(mend)


def test_nothing_to_compare_with_is_not_called_well() -> None:
    """It says what would be needed."""
    finding = miss_permissions("nobody was let in")
    assert (Severity.UNKNOWN, "nobody was let in") == (finding.severity, finding.what)
    assert "--token FILE" in finding.mend


def test_a_message_that_arrives() -> None:
    """The stream's last number went up by one; how many it holds says nothing, for old ones may have gone."""
    finding = judge_delivery(msgspec.structs.replace(ARRIVED, after=StreamState(5, 8, ())), "orders", "checkout")
    assert (Check.STREAM, Severity.OK) == (finding.check, finding.severity)
    assert "EVENTS now ends with number 8" in finding.what


def test_others_publish_there_too() -> None:
    """More than one message is no fault."""
    finding = judge_delivery(msgspec.structs.replace(ARRIVED, after=StreamState(9, 11, ())), "orders", "checkout")
    assert (Severity.OK, True) == (finding.severity, "took 4 messages meanwhile" in finding.what)


@pytest.mark.parametrize(
    ("changes", "words", "mend"),
    [
        ({"before": None, "after": None}, "there is no stream EVENTS", "nats stream info EVENTS"),
        (
            {"published": False, "after": STATE},
            "the client may not publish to events.doctor",
            "kubectl annotate serviceaccount -n orders checkout --overwrite nats.io/allowed-pub-subjects=events.doctor",
        ),
        ({"subject": "orders.x", "after": STATE}, "takes events.>, and not orders.x", "nats stream edit EVENTS"),
        ({"after": STATE}, "the stream is in another account", "callout bootstrap --nack inside"),
        ({"after": None}, "the stream is in another account", "callout bootstrap --nack inside"),
        (
            {"before": StreamState(0, 0, ()), "after": StreamState(0, 0, ())},
            "the stream is in another account",
            "callout bootstrap --nack inside",
        ),
    ],
)
def test_why_a_message_does_not_arrive(changes: dict[str, Any], words: str, mend: str) -> None:
    """No stream, no permission, another subject, another account: each has another remedy."""
    finding = judge_delivery(msgspec.structs.replace(ARRIVED, **changes), "orders", "checkout")
    assert Severity.WRONG == finding.severity
    assert words in finding.what
    assert finding.mend.startswith(mend)


def test_a_subject_becomes_no_part_of_a_command() -> None:
    """It may hold what a shell takes for something else."""
    odd = msgspec.structs.replace(ARRIVED, subject="$KV.b;id", stream="E$(id)", after=STATE)
    edit = judge_delivery(odd, "orders", "checkout").mend.partition("  #")[0]
    assert ["nats", "stream", "edit", "E$(id)", "--subjects=$KV.b;id"] == shlex.split(edit)
    annotate = judge_delivery(msgspec.structs.replace(odd, published=False), "orders", "checkout").mend
    assert "nats.io/allowed-pub-subjects=$KV.b;id" == shlex.split(annotate)[-1]
