"""Who may do what: the defaults, what annotations may add, and what they never may."""

import json
from itertools import product
from pathlib import Path

import msgspec
import pytest

from callout.manifests.folder import read_folder
from callout.policy.ceiling import Ceiling
from callout.policy.decision import SHARED_INBOX, decide, make_inbox_prefix, make_record
from callout.policy.subjects import MAX_SUBJECT_LENGTH, overlaps
from callout.policy.verdict import (
    MAX_ANNOTATION_LENGTH,
    MAX_QUOTED,
    SEVERAL,
    Dropped,
    DropReason,
    Granted,
    Side,
    Source,
    Verdict,
)
from callout.serviceaccounts import ServiceAccount
from tests.callout.policy.asking import PREFIX, PUB, RULES, SUB, annotated, ask, reasons, replace

EXAMPLES = Path(__file__).parents[3] / "k8s" / "examples" / "serviceaccounts"


def test_without_annotations_there_are_the_defaults() -> None:
    """Everybody gets the own namespace both ways, a private inbox and the shared one."""
    expected = Verdict(
        pub=(Granted("shop.>", Source.NAMESPACE),),
        sub=(
            Granted("shop.>", Source.NAMESPACE),
            Granted("_INBOX_shop_audit_reader.>", Source.PRIVATE_INBOX),
            Granted("_INBOX.>", Source.SHARED_INBOX),
        ),
        dropped=(),
        unknown_annotations=(),
    )
    assert expected == ask(name="audit.reader")


def test_the_shared_inbox_has_a_switch() -> None:
    """With the switch off only the private inbox is left."""
    subjects = [granted.subject for granted in ask(rules=replace(shared_inbox=False)).sub]
    assert subjects == ["shop.>", "_INBOX_shop_checkout.>"]


def test_annotations_are_separated_by_commas_and_trimmed() -> None:
    """Blanks around entries and empty entries mean nothing; the order stays."""
    verdict = ask(pub=" b.created ,\n\ta.>,, ,\u00a0c", sub="d")
    assert annotated(verdict) == {Side.PUB: ["b.created", "a.>", "c"], Side.SUB: ["d"]}
    assert verdict.dropped == ()


def test_duplicates_are_merged() -> None:
    """An entry counts once, and not at all if it is a default."""
    verdict = ask(pub="a,b,a,shop.>", sub="_INBOX.>,_INBOX_shop_checkout.>,shop.>,a")
    assert annotated(verdict) == {Side.PUB: ["a", "b"], Side.SUB: ["a"]}
    assert verdict.dropped == ()


@pytest.mark.parametrize("side", [PUB, SUB])
@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("x" * (MAX_SUBJECT_LENGTH + 1), DropReason.TOO_LONG),
        ("é" * (MAX_SUBJECT_LENGTH // 2 + 1), DropReason.TOO_LONG),
        *((entry, DropReason.INVALID) for entry in ("a..b", "a.", "a b", "a*", "a.>.b", "a\x00b", "\ud800", "…", "a…")),
        *((entry, DropReason.LEADING_WILDCARD) for entry in (">", "*", "*.a", "*.>", "*.*")),
        *((entry, DropReason.SYSTEM_SPACE) for entry in ("$SYS", "$SYS.>", "$SYS.REQ.USER.AUTH", "$SYS.*")),
        *((entry, DropReason.REPLY_SPACE) for entry in ("_INBOX", "_INBOX.a", "_INBOX_shop_other.>", "_INBOXES.a")),
        *((entry, DropReason.REPLY_SPACE) for entry in ("_REPLY", "_REPLY.>", "_REPLY_.a", "_R_", "_R_.>", "_R_x.y")),
    ],
)
def test_what_is_malformed_or_reserved_is_dropped(side: str, entry: str, reason: DropReason) -> None:
    """Each entry that may not be granted is dropped for its own reason, on either side."""
    verdict = decide(ServiceAccount("shop", "checkout", "uid", {side: f"a,{entry},b"}), replace(shared_inbox=False))
    assert [reason] == [dropped.reason for dropped in verdict.dropped]
    assert sorted(annotated(verdict).values()) == [[], ["a", "b"]]


@pytest.mark.parametrize("entry", ["$SYSTEM.a", "$JS.API.>", "_", "_RX", "_inbox.a", "a._INBOX.b", "a.$SYS", "INBOX.>"])
def test_what_only_looks_reserved_is_granted(entry: str) -> None:
    """Reserved is the first word, in its spelling."""
    assert annotated(ask(pub=entry)) == {Side.PUB: [entry], Side.SUB: []}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [("a; b", SEVERAL), ("a b", SEVERAL), ("a\nb", SEVERAL), ("a..b", DropReason.INVALID.remedy)],
)
def test_subjects_without_commas_have_a_remedy_of_their_own(entry: str, expected: str) -> None:
    """It is what their writer has to know; of others it is not said."""
    (dropped,) = ask(pub=f"c,{entry}").dropped
    assert (DropReason.INVALID, expected) == (dropped.reason, dropped.remedy)


def test_the_text_of_what_was_dropped_is_fit_for_a_report() -> None:
    """It is cut, and what cannot be printed or encoded is written as an escape."""
    verdict = ask(pub="a\x1b[31m\ud800," + "x" * 5000)
    assert [dropped.subject for dropped in verdict.dropped] == ["a\\x1b[31m\\ud800", "x" * MAX_QUOTED + "…"]


def test_subjects_have_to_lie_below_the_ceiling() -> None:
    """What the ceiling covers is granted, with the namespace put in; the rest is dropped."""
    rules = replace(ceiling=Ceiling(pub=("events.>", "{namespace}-out.*"), sub=()))
    verdict = ask(pub="events.a,events,shop-out.x,other-out.x", sub="events.a", rules=rules)
    assert annotated(verdict) == {Side.PUB: ["events.a", "shop-out.x"], Side.SUB: []}
    assert reasons(verdict) == dict.fromkeys(("events", "other-out.x", "events.a"), DropReason.ABOVE_CEILING)


def test_the_ceiling_does_not_cut_the_defaults() -> None:
    """The defaults stay, and an entry within them is no trespass."""
    verdict = ask(pub="shop.orders.*", sub="shop.*", rules=replace(ceiling=Ceiling(pub=(), sub=())))
    assert annotated(verdict) == {Side.PUB: ["shop.orders.*"], Side.SUB: ["shop.*"]}
    assert verdict.dropped == ()


def test_the_ceiling_counts_what_a_subscriber_really_receives() -> None:
    """To subscribe to `a.*` nats-server lets subscribe to `a.>`, so the ceiling has to admit that."""
    rules = replace(ceiling=Ceiling(pub=("a.*",), sub=("a.*", "b.>")))
    verdict = ask(pub="a.*", sub="a.*,a.x,b.*", rules=rules)
    assert annotated(verdict) == {Side.PUB: ["a.*"], Side.SUB: ["a.x", "b.*"]}
    assert verdict.dropped == (Dropped(Side.SUB, "a.*", DropReason.ABOVE_CEILING),)


def test_the_ceiling_opens_no_reserved_space() -> None:
    """A ceiling of `>` is no ceiling, not a key."""
    rules = replace(ceiling=Ceiling(pub=(">",), sub=(">",)))
    wishes = "a,a.*,$KV.>,b.*.c,é.>"
    assert ask(pub=wishes, sub=wishes, rules=rules) == ask(pub=wishes, sub=wishes)
    verdict = ask(pub="$SYS.>,_INBOX_a_b.x", rules=rules)
    assert reasons(verdict) == {"$SYS.>": DropReason.SYSTEM_SPACE, "_INBOX_a_b.x": DropReason.REPLY_SPACE}


@pytest.mark.parametrize("nothing", ["", " ", ",", " , ,\n", "," * (MAX_ANNOTATION_LENGTH + 1)])
def test_an_annotation_that_says_nothing_is_reported(nothing: str) -> None:
    """A YAML fold that came out empty, say; the other side is not blamed, and nothing is granted."""
    verdict = ask(pub="a", sub=nothing)
    assert [(Side.SUB, DropReason.EMPTY)] == [(dropped.side, dropped.reason) for dropped in verdict.dropped]
    assert {Side.PUB: ["a"], Side.SUB: []} == annotated(verdict)


def test_a_misspelt_annotation_is_reported() -> None:
    """An annotation with our prefix that means nothing is named, so that its owner sees the typo."""
    verdict = decide(ServiceAccount("shop", "checkout", "uid", {PREFIX + "allowed-pub-subject": "a", PUB: "b"}), RULES)
    assert verdict.unknown_annotations == (PREFIX + "allowed-pub-subject",)
    assert annotated(verdict)[Side.PUB] == ["b"]


@pytest.mark.parametrize(
    "identity", [("*", "a"), ("a.b", "c"), ("a", "b_c"), ("", ""), ("a", ">"), ("_INBOX", "x"), ("\ud800", "x")]
)
def test_an_impossible_identity_gets_nothing(identity: tuple[str, str]) -> None:
    """A name that would mean something else in a subject is granted no subject at all."""
    service_account = ServiceAccount(*identity, "uid", {PUB: "a"})
    verdict = decide(service_account, RULES)
    assert (verdict.pub, verdict.sub) == ((), ())
    assert {dropped.reason for dropped in verdict.dropped} == {DropReason.INVALID_IDENTITY}
    permissions = json.loads(b"{%b}" % make_record(service_account, verdict, RULES).permissions)
    assert permissions["pub"] == permissions["sub"] == {"deny": [">"]}


def test_a_record_is_ready_for_the_hot_path() -> None:
    """It holds the uid, the account and the permissions, rendered."""
    service_account = ServiceAccount("shop", "checkout", "the-uid", {PUB: "a.>"})
    record = make_record(service_account, decide(service_account, RULES), RULES)
    assert (record.uid, record.account) == ("the-uid", "APP")
    assert json.loads(b"{%b}" % record.permissions) == {
        "pub": {"allow": ["shop.>", "a.>"]},
        "sub": {"allow": ["shop.>", "_INBOX_shop_checkout.>", "_INBOX.>"]},
        "resp": {"max": 1, "ttl": 0},
    }


def test_the_examples_get_what_their_comments_say() -> None:
    """In the demo's files all is granted but what the one bad example says is dropped."""
    verdicts = {f"{one.namespace}/{one.name}": decide(one, RULES) for one in read_folder(EXAMPLES, PREFIX)[0]}
    bad = verdicts.pop("billing/legacy-import")
    assert [verdict.dropped for verdict in verdicts.values()] == [()] * len(verdicts)
    assert reasons(bad) == {
        ">": DropReason.LEADING_WILDCARD,
        "orders..created": DropReason.INVALID,
        "_INBOX.>": DropReason.REPLY_SPACE,
        "$SYS.REQ.SERVER.PING": DropReason.SYSTEM_SPACE,
        "_INBOX_orders_checkout.>": DropReason.REPLY_SPACE,
        "orders.create*": DropReason.INVALID,
    }
    assert annotated(bad) == {
        Side.PUB: ["warehouse.imports.>", "warehouse.status"],
        Side.SUB: ["warehouse.events.>"],
    }
    assert bad.unknown_annotations == (PREFIX + "allowed-sub-subject",)


STATIC = msgspec.structs.replace(RULES, response=None)


def test_without_response_permissions_replies_go_into_inboxes_alone() -> None:
    """A response permission would hold against nobody who means harm; inboxes can be written to, not read."""
    verdict = decide(ServiceAccount("orders", "audit.reader", "u-1", {}), STATIC)
    assert [granted.subject for granted in verdict.pub] == ["orders.>", "_INBOX.>", "_INBOX_.>"]
    assert [granted.subject for granted in verdict.sub] == ["orders.>", "_INBOX_.orders_audit_reader.>", "_INBOX.>"]
    record = make_record(ServiceAccount("orders", "audit.reader", "u-1", {}), verdict, STATIC)
    assert b'"resp"' not in record.permissions


def test_private_inboxes_without_response_permissions_do_not_touch() -> None:
    """Neither each other, nor the shared one, nor what an annotation can be granted."""
    names = ["a", "a.b", "a-b", "b"]
    inboxes = [f"{make_inbox_prefix('ns', name, static=True)}.>" for name in names] + [SHARED_INBOX]
    touching = [(one, other) for one, other in product(inboxes, inboxes) if one != other and overlaps(one, other)]
    assert touching == []
    greedy = ServiceAccount("x", "y", "u", {"nats.io/allowed-sub-subjects": "_INBOX_.>, _INBOX_.ns_a.>, *.>, >"})
    assert [granted.source for granted in decide(greedy, STATIC).sub if granted.source is Source.ANNOTATION] == []
