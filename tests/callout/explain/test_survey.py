"""callout.explain.survey: of all ServiceAccounts those whose annotations do not mean what they seem to."""

import pytest

from callout.explain.explanation import Situation
from callout.explain.survey import Survey, survey
from callout.policy.decision import Rules
from callout.policy.verdict import MAX_REPORTED
from callout.serviceaccounts import ServiceAccount
from workers.authorize import LoginTerms

PUB, SUB = "nats.io/allowed-pub-subjects", "nats.io/allowed-sub-subjects"
TERMS = LoginTerms(3600, 0, named=False)
SITUATION = Situation(Rules("nats.io/", shared_inbox=True, response=None, account="APP"), TERMS, now=0)


def look(*annotations: dict[str, str]) -> Survey:
    """What is found among ServiceAccounts with these annotations, called a, b and so on, that come last first."""
    accounts = [ServiceAccount("orders", name, "u", one) for name, one in zip("abc", annotations, strict=False)]
    return survey(reversed(accounts), SITUATION)


def test_what_counts_as_it_stands_is_not_told() -> None:
    """Neither defaults, nor what is granted, nor annotations of others."""
    found = look({}, {PUB: "audit.orders"}, {"example.com/team": ">", PUB: "a, b", SUB: "c.>"})
    assert Survey(3, ()) == found
    assert found.is_clean


@pytest.mark.parametrize(
    ("annotations", "told"),
    [
        ({PUB: "a, >"}, ("not_granted", [">"])),
        ({SUB: "$SYS.>"}, ("not_granted", ["$SYS.>"])),
        ({"nats.io/allowed-subjects": "a"}, ("unknown_annotations", ["nats.io/allowed-subjects"])),
        ({"nat.io/allowed-pub-subjects": "a"}, ("unknown_annotations", ["nat.io/allowed-pub-subjects"])),
        ({PUB: "a;b"}, ("doubtful", ["a;b"])),
    ],
    ids=["publish", "subscribe", "no such annotation", "another prefix", "semicolon"],
)
def test_what_does_not_is_told(annotations: dict[str, str], told: tuple[str, list[str]]) -> None:
    """What was dropped, what means nothing, and what was granted otherwise than it was meant."""
    [finding] = look({}, annotations).findings
    field, expected = told
    assert "orders/b" == finding.serviceaccount
    assert expected == [getattr(one, "subject", one) for one in getattr(finding, field)]


def test_they_are_told_in_the_order_of_their_names() -> None:
    """Whatever order they come in."""
    assert ["orders/a", "orders/b"] == [one.serviceaccount for one in look({PUB: ">"}, {PUB: ">"}).findings]


def test_there_is_an_end_to_what_is_told_of_one() -> None:
    """The rest is counted."""
    [finding] = look({PUB: ",".join(f"*.x{number}" for number in range(MAX_REPORTED + 5))}).findings
    assert (MAX_REPORTED, 5) == (len(finding.not_granted), finding.unreported)


def test_nor_is_there_none_to_names_that_are_ours_under_other_prefixes() -> None:
    """Anyone may write thousands of them, and each costs as much as a subject."""
    misspelt = {"nats.io/allowed-subjects": "a"}
    [finding] = look(
        misspelt | {f"a{number}.b/allowed-pub-subjects": "" for number in range(MAX_REPORTED + 5)}
    ).findings
    assert (MAX_REPORTED, 6) == (len(finding.unknown_annotations), finding.unreported)


def test_what_could_not_be_read_is_not_clean() -> None:
    """Nobody knows what stands there."""
    assert not survey([], Situation(SITUATION.rules, TERMS, now=0, notes=("a.yaml: broken",))).is_clean
