"""Who may do what, on whatever annotations, names and rules there may be."""

import json
from itertools import product

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from callout.policy.ceiling import Ceiling, write_out
from callout.policy.decision import SHARED_INBOX, Rules, decide, make_inbox_prefix, make_record
from callout.policy.subjects import covers, is_valid, overlaps, widen_for_subscriber
from callout.policy.verdict import Side
from callout.serviceaccounts import ServiceAccount, is_valid_identity
from tests.callout.policy.asking import PREFIX, PUB, RULES, SUB, annotated, ask, replace

RESERVED = ("$SYS", "$SYS.>", "_INBOX…", "_INBOX….>", "_REPLY…", "_REPLY….>", "_R_…", "_R_….>")

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
