"""Who may do what: the defaults, what annotations may add, and what they never may."""

import json
from itertools import product
from pathlib import Path

import msgspec
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from callout.manifests.folder import read_folder
from callout.policy.ceiling import Ceiling, write_out
from callout.policy.decision import SHARED_INBOX, Rules, decide, make_inbox_prefix, make_record
from callout.policy.subjects import MAX_SUBJECT_LENGTH, covers, is_valid, overlaps, widen_for_subscriber
from callout.policy.verdict import (
    MAX_ANNOTATION_LENGTH,
    MAX_ENTRIES_PER_SIDE,
    MAX_QUOTED,
    MAX_REPORTED,
    MAX_SUBJECTS_PER_SIDE,
    Dropped,
    DropReason,
    Granted,
    Side,
    Source,
    Verdict,
)
from callout.serviceaccounts import ServiceAccount, is_valid_identity
from workers.user_jwt import ResponsePermission

EXAMPLES = Path(__file__).parents[3] / "k8s" / "examples" / "serviceaccounts"
PREFIX = "nats.io/"
PUB = PREFIX + "allowed-pub-subjects"
SUB = PREFIX + "allowed-sub-subjects"
RULES = Rules(PREFIX, shared_inbox=True, response=ResponsePermission(1, 0), account="APP")
RESERVED = ("$SYS", "$SYS.>", "_INBOX…", "_INBOX….>", "_REPLY…", "_REPLY….>", "_R_…", "_R_….>")

STREAM_REQUESTS = (
    *("CREATE", "UPDATE", "RESTORE", "TEMPLATE.CREATE", "DELETE", "PURGE", "MSG.DELETE", "SNAPSHOT"),
    *("PEER.REMOVE", "LEADER.STEPDOWN"),
)

labels = st.text(st.sampled_from("ab1-"), min_size=1, max_size=4).filter(lambda s: s.strip("-") == s)
identities = st.tuples(labels, st.lists(labels, min_size=1, max_size=3).map(".".join))
tokens = st.sampled_from(
    ("a", "b", "ns", "*", ">", "_INBOX", "_INBOX_a_b", "_INBOX_", "_REPLY", "_R_", "_R_x", "$SYS", "$JS", "_", "", "é")
)
entries = st.lists(tokens, min_size=1, max_size=4).map(".".join) | st.text(max_size=12)
annotations = st.lists(entries, max_size=8).map(",".join) | st.text(max_size=40)
service_accounts = st.builds(
    lambda identity, pub, sub: ServiceAccount(identity[0], identity[1], "uid", {PUB: pub, SUB: sub}),
    identities,
    annotations,
    annotations,
)
ceilings = st.builds(
    Ceiling,
    st.none() | st.lists(st.sampled_from(("a.>", "{namespace}.*", "$JS.>", "b")), max_size=3).map(tuple),
    st.none() | st.lists(st.sampled_from((">", "a.*", "{namespace}.>")), max_size=3).map(tuple),
)
all_rules = st.builds(lambda shared, ceiling: replace(shared_inbox=shared, ceiling=ceiling), st.booleans(), ceilings)


def replace(**changes: object) -> Rules:
    """The usual rules with some changes."""
    return msgspec.structs.replace(RULES, **changes)


def ask(*, pub: str | None = None, sub: str | None = None, rules: Rules = RULES, name: str = "checkout") -> Verdict:
    """Decide for a ServiceAccount in namespace `shop` with these annotations."""
    annotations = {key: text for key, text in ((PUB, pub), (SUB, sub)) if text is not None}
    return decide(ServiceAccount("shop", name, "uid", annotations), rules)


def annotated(verdict: Verdict) -> dict[Side, list[str]]:
    """The subjects that annotations added."""
    sides = {Side.PUB: verdict.pub, Side.SUB: verdict.sub}
    return {side: [g.subject for g in all_ if g.source is Source.ANNOTATION] for side, all_ in sides.items()}


def reasons(verdict: Verdict) -> dict[str, DropReason]:
    """Why each entry was dropped."""
    return {dropped.subject: dropped.reason for dropped in verdict.dropped}


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


def test_there_is_a_limit_for_granted_subjects() -> None:
    """Subjects beyond the limit are dropped; entries dropped for another reason do not count."""
    names = [f"s{number}" for number in range(MAX_SUBJECTS_PER_SIDE + 2)]
    verdict = ask(sub=",".join(["a b", "shop.>", *names]))
    assert annotated(verdict)[Side.SUB] == names[:-2]
    assert reasons(verdict) == {"a b": DropReason.INVALID} | dict.fromkeys(names[-2:], DropReason.TOO_MANY)


def test_the_entries_of_an_annotation_that_are_considered_are_limited() -> None:
    """Good or bad, no more than the limit cost anything; the rest is one finding. Empty ones and repeats are none."""
    entries = [f"*.{number}" for number in range(MAX_ENTRIES_PER_SIDE - 1)]
    verdict = ask(pub=",".join(["", *entries, *entries, "a", "b"]), sub=",".join([*entries, "a", "c", "d", "d"]))
    assert annotated(verdict) == {Side.PUB: ["a"], Side.SUB: ["a"]}
    assert len(verdict.dropped) + verdict.unreported == 2 * (len(entries) + 1)
    few = ask(sub=",".join(["shop.>"] * MAX_ENTRIES_PER_SIDE + [f"s{n}.>" for n in range(MAX_ENTRIES_PER_SIDE + 9)]))
    assert [(d.reason, d.subject[:9]) for d in few.dropped][-1] == (DropReason.TOO_MANY, "s199.>,s2")


def test_the_work_for_a_hostile_annotation_is_bounded() -> None:
    """Of thousands of entries a few are compared, with patterns that are written out once for the ServiceAccount."""

    class Pattern(str):
        """Counts how often it is written out."""

        __slots__ = ()

        def replace(self, *_: object) -> str:
            written_out.append(self)
            return str(self)

    written_out: list[str] = []
    patterns = tuple(Pattern(f"events.{number}") for number in range(50))
    annotation = ",".join(f"{number:x}" for number in range(MAX_ANNOTATION_LENGTH))[:MAX_ANNOTATION_LENGTH]
    verdict = ask(pub=annotation, sub=annotation, rules=replace(ceiling=Ceiling(pub=patterns, sub=patterns)))
    assert len(written_out) == 2 * len(patterns)
    assert len(verdict.dropped) + verdict.unreported == 2 * (MAX_ENTRIES_PER_SIDE + 1)


def test_an_annotation_is_read_up_to_a_limit() -> None:
    """From the entry on that crosses the limit nothing is read, and that is said once."""
    filler = "," * (MAX_ANNOTATION_LENGTH - len("a,last"))
    assert annotated(ask(pub=f"a,{filler}last"))[Side.PUB] == ["a", "last"]
    assert annotated(ask(pub=f"a,{filler}last,more"))[Side.PUB] == ["a", "last"]
    verdict = ask(pub=f"a,{filler}longer,more")
    assert annotated(verdict)[Side.PUB] == ["a"]
    assert verdict.dropped == (Dropped(Side.PUB, "longer,more", DropReason.ANNOTATION_TOO_LONG),)


@pytest.mark.parametrize("nothing", ["", " ", ",", " , ,\n", "," * (MAX_ANNOTATION_LENGTH + 1)])
def test_an_annotation_that_says_nothing_is_reported(nothing: str) -> None:
    """A YAML fold that came out empty, say; the other side is not blamed, and nothing is granted."""
    verdict = ask(pub="a", sub=nothing)
    assert [(Side.SUB, DropReason.EMPTY)] == [(dropped.side, dropped.reason) for dropped in verdict.dropped]
    assert {Side.PUB: ["a"], Side.SUB: []} == annotated(verdict)


def test_a_long_tail_of_nothing_is_no_finding() -> None:
    """Commas and blanks beyond the limit are no entries."""
    assert ask(pub="a," + ", \n" * MAX_ANNOTATION_LENGTH).dropped == ()


def test_an_annotation_without_a_comma_within_the_limit_is_not_read() -> None:
    """A single endless entry leaves the defaults."""
    verdict = ask(pub="x" * (MAX_ANNOTATION_LENGTH + 1))
    assert list(reasons(verdict).values()) == [DropReason.ANNOTATION_TOO_LONG]
    assert annotated(verdict) == {Side.PUB: [], Side.SUB: []}


def test_a_misspelt_annotation_is_reported() -> None:
    """An annotation with our prefix that means nothing is named, so that its owner sees the typo."""
    verdict = decide(ServiceAccount("shop", "checkout", "uid", {PREFIX + "allowed-pub-subject": "a", PUB: "b"}), RULES)
    assert verdict.unknown_annotations == (PREFIX + "allowed-pub-subject",)
    assert annotated(verdict)[Side.PUB] == ["b"]


def test_a_verdict_names_a_limited_number_of_findings() -> None:
    """Of thousands of bad entries the first are named, the others counted, and the good ones granted."""
    misspelt = {f"{PREFIX}x{number}": "" for number in range(MAX_REPORTED + 2)}
    bad = [f"*.{number}" for number in range(MAX_REPORTED + 3)]
    verdict = decide(ServiceAccount("shop", "checkout", "uid", {**misspelt, PUB: ",".join([*bad, "a"])}), RULES)
    assert [dropped.subject for dropped in verdict.dropped] == bad[:MAX_REPORTED]
    assert list(verdict.unknown_annotations) == list(misspelt)[:MAX_REPORTED]
    assert (verdict.unreported, annotated(verdict)[Side.PUB]) == (5, ["a"])


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


def test_the_largest_permissions_stay_well_below_what_nats_carries() -> None:
    """Twice in base64, as in the response, they take less than half of NATS' default max_payload of 1 MiB."""
    entry = "\U0001f600" * 40
    annotation = ",".join(f"{entry}{number}" for number in range(1000))
    service_account = ServiceAccount("n" * 63, "s" * 253, "uid", {PUB: annotation, SUB: annotation})
    permissions = make_record(service_account, decide(service_account, RULES), RULES).permissions
    assert len(permissions) * 16 // 9 < (1 << 20) // 2


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


@given(service_accounts, all_rules)
@settings(max_examples=500, deadline=None)
def test_everything_granted_is_valid_and_allowed(service_account: ServiceAccount, rules: Rules) -> None:
    """Whatever the annotations hold: each granted subject is valid, open to annotations, and below the ceiling."""
    verdict = decide(service_account, rules)
    for side, granted, bound in (
        (Side.PUB, verdict.pub, rules.ceiling.pub),
        (Side.SUB, verdict.sub, rules.ceiling.sub),
    ):
        assert len({g.subject for g in granted}) == len(granted)
        for subject in (g.subject for g in granted):
            assert is_valid(subject)
        for subject in annotated(verdict)[side]:
            reach = widen_for_subscriber(subject) if side is Side.SUB else subject
            assert not any(overlaps(reach, reserved) for reserved in RESERVED)
            within = covers(f"{service_account.namespace}.>", reach)
            assert within or write_out(bound, service_account.namespace).covers(reach)
    assert rules.shared_inbox == (SHARED_INBOX in {g.subject for g in verdict.sub})


@given(service_accounts, identities)
@settings(max_examples=500, deadline=None)
@example(ServiceAccount("a", "b", "uid", {SUB: "_INBOX_a_b_c.>,*.>,>"}), ("a", "b.c"))
@example(ServiceAccount("a", "b.c", "uid", {}), ("a", "b-c"))
@example(ServiceAccount("a", "b-c", "uid", {}), ("a-b", "c"))
def test_nobody_reads_the_private_inbox_of_another(service_account: ServiceAccount, victim: tuple[str, str]) -> None:
    """Nothing that one ServiceAccount may subscribe to has a subject in common with another's private inbox."""
    assume(victim != (service_account.namespace, service_account.name))
    inbox = f"{make_inbox_prefix(*victim)}.>"
    for granted in decide(service_account, RULES).sub:
        assert not overlaps(widen_for_subscriber(granted.subject), inbox)


def test_inbox_prefixes_are_all_different() -> None:
    """No two ServiceAccounts share an inbox prefix: checked for every short name there is."""
    texts = ["".join(letters) for length in range(1, 5) for letters in product("a-.", repeat=length)]
    valid = [(namespace, name) for namespace, name in product(texts, texts) if is_valid_identity(namespace, name)]
    assert len(valid) == len({make_inbox_prefix(*identity) for identity in valid})


@given(st.lists(entries, max_size=6), entries, st.integers(0, 6), all_rules)
@settings(max_examples=300, deadline=None)
def test_one_entry_never_removes_another(others: list[str], entry: str, position: int, rules: Rules) -> None:
    """With one entry more, good or bad, all that was granted without it is still granted."""
    without = ask(pub=",".join(others), sub=",".join(others), rules=rules)
    more = ",".join([*others[:position], entry, *others[position:]])
    with_it = ask(pub=more, sub=more, rules=rules)
    assert set(without.pub) <= set(with_it.pub)
    assert set(without.sub) <= set(with_it.sub)


@given(
    st.dictionaries(st.text(max_size=10).map(PREFIX.__add__) | st.sampled_from((PUB, SUB)), st.text()),
    st.text(),
    st.text(),
)
@settings(max_examples=300, deadline=None)
def test_nothing_crashes_the_policy(texts: dict[str, str], namespace: str, name: str) -> None:
    """Any text at all ends in a verdict and a record that is JSON."""
    service_account = ServiceAccount(namespace, name, "uid", texts)
    verdict = decide(service_account, RULES)
    json.loads(b"{%b}" % make_record(service_account, verdict, RULES).permissions)
    assert all(text.isprintable() for text in (*verdict.unknown_annotations, *(d.subject for d in verdict.dropped)))


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
