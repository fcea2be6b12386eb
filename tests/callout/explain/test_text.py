"""An explanation on a terminal."""

import msgspec
import pytest
from hypothesis import given as from_any
from hypothesis import settings
from hypothesis import strategies as st

from callout.explain.explanation import Explanation, Situation, Why, explain_serviceaccount
from callout.explain.survey import Finding, Survey
from callout.explain.text import MAX_SAID, WIDTH, render, render_survey
from callout.explain.verification import Step
from callout.manifests.manifest import derive_uid
from callout.policy.decision import Rules
from callout.policy.verdict import MAX_QUOTED
from callout.serviceaccounts import ServiceAccount
from workers.authorize import LoginTerms
from workers.user_jwt import ResponsePermission

RULES = Rules("nats.io/", shared_inbox=True, response=ResponsePermission(1, 120_000_000_000), account="APP")
SITUATION = Situation(RULES, LoginTerms(3600, 0.2, named=False), 0.0)


def explain(
    pub: str | None = None, sub: str | None = None, other: str = "", situation: Situation = SITUATION
) -> Explanation:
    """What o/c gets by its annotations, of which `other` is the name of one more."""
    given = {"nats.io/allowed-pub-subjects": pub, "nats.io/allowed-sub-subjects": sub, other: "x" if other else None}
    annotations = {name: text for name, text in given.items() if text is not None}
    return explain_serviceaccount("o/c", ServiceAccount("o", "c", "u", annotations), situation)


def test_what_is_granted_is_told() -> None:
    """The whole of it, at a glance."""
    assert [
        "o/c would be let in, to account APP.",
        "Its uid is u.",
        "",
        "It may publish to:",
        "  o.>     namespace default",
        "  events  annotation nats.io/allowed-pub-subjects",
        "  and one answer to each request that it receives, within 2 min",
        "    A client that means harm sends such requests to itself, and so publishes anywhere;",
        "    NATS_RESPONSE_MAX=0 prevents that, see docs/permissions.md.",
        "",
        "It may subscribe to:",
        "  o.>           namespace default",
        "  _INBOX_o_c.>  private inbox",
        "  _INBOX.>      shared inbox (NATS_SHARED_INBOX)",
        "  stock.*       annotation nats.io/allowed-sub-subjects",
        "                (nats-server then allows stock.> too)",
        "",
        "Set the client's inbox prefix to _INBOX_o_c, so that nobody else can read its replies.",
        "A login ends with its token, at most 60 s after it, or sooner: NATS_USER_TTL is 1 h, less a random",
        "share of up to 20%.",
    ] == render(explain("events", "stock.*"))


def test_a_uid_that_was_made_from_the_name_is_told_as_such() -> None:
    """A manifest need not have one; a token has to name just that."""
    found = ServiceAccount("o", "c", derive_uid("o", "c"), {})
    lines = render(explain_serviceaccount("o/c", found, SITUATION))
    assert f"Its uid is {found.uid}, derived from its name, since its manifest has none." == lines[1]


def test_an_account_that_is_not_known_is_not_told() -> None:
    """Permissions do not depend on it."""
    rules = msgspec.structs.replace(RULES, account="")
    assert "o/c would be let in." == render(explain(situation=Situation(rules, SITUATION.terms, 0.0)))[0]


def test_without_response_permissions_nothing_is_said_of_their_misuse() -> None:
    """The bounds hold then, and answers go into inboxes alone."""
    situation = Situation(msgspec.structs.replace(RULES, response=None), SITUATION.terms, 0.0)
    text = "\n".join(render(explain(situation=situation)))
    assert "  answers to requests it receives: only into inboxes (NATS_RESPONSE_MAX=0)" in text
    assert "harm" not in text


@pytest.mark.parametrize(("annotation", "words"), [("", "nothing: empty"), (" , ", ",: empty")])
def test_an_annotation_that_says_nothing_is_told(annotation: str, words: str) -> None:
    """A YAML fold that came out empty looks in its file as if it said something."""
    assert f"  publish {words}" in render(explain(annotation))


def test_what_is_not_granted_is_told_with_what_to_do() -> None:
    """Each entry with its reason, its meaning and its remedy, and the annotations that mean nothing."""
    text = "\n".join(render(explain(">", "$SYS.x", "nats.io/typo")))
    assert (
        "Not granted:\n"
        "  publish >: leading_wildcard\n"
        "    The subject begins with a wildcard, which covers everybody's inbox. Begin it with a word.\n"
        "  subscribe $SYS.x: system_space\n"
    ) in text
    assert "Annotations that mean nothing:\n  nats.io/typo; there are nats.io/allowed-pub-subjects and" in text


def test_what_is_granted_and_denied_is_told() -> None:
    """The making of streams, which a wildcard over JetStream's interface would allow."""
    text = "\n".join(render(explain("$JS.API.>")))
    assert "But not to these, which administer streams (NATS_STREAM_ADMIN):\n  $JS.API.STREAM.CREATE.>\n" in text


def test_a_semicolon_is_told_below_its_subject() -> None:
    """It is granted as it is written, and was hardly meant so."""
    lines = render(explain("events.a;events.b"))
    place = next(number for number, line in enumerate(lines) if line.startswith("  events.a;events.b  annotation "))
    assert "(it holds a ';': subjects are separated by commas)" == lines[place + 1].strip()


@pytest.mark.parametrize(("answers", "words"), [(-1, "any number of answers"), (1, "one answer"), (5, "5 answers")])
def test_answers_are_counted(answers: int, words: str) -> None:
    """As the setting has them."""
    rules = msgspec.structs.replace(RULES, response=ResponsePermission(answers, 1_000_000_000))
    situation = Situation(rules, SITUATION.terms, 0.0)
    line = f"  and {words} to each request that it receives, within 1 s"
    assert line in render(explain(situation=situation))


def test_a_refusal_is_told_with_its_steps() -> None:
    """Reason, meaning and remedy first, then how far it went; and how to go on."""
    explanation = Explanation(
        allowed=False,
        serviceaccount="o/c",
        refusal=Why("token_expired", "The token has expired.", "Read it anew."),
        steps=(Step("key", "passed", "k1"), Step("expiry", "failed", "1 h ago"), Step("uid", "not reached")),
    )
    assert [
        "A client with this token, which names o/c, would be refused.",
        "",
        "  token_expired",
        "  The token has expired.",
        "  Read it anew.",
        "",
        "The token, step by step:",
        "  key     ok  k1",
        "  expiry  NO  1 h ago",
        "  uid     -",
        "",
        "'callout explain --serviceaccount o/c' shows what a good token of it would get.",
    ] == render(explanation)


@pytest.mark.parametrize(("who", "steps"), [("", (Step("form", "failed"),)), ("o/nobody", ())])
def test_other_refusals_have_a_first_line_too(who: str, steps: tuple[Step, ...]) -> None:
    """Of a token that names nobody, and of a ServiceAccount that is not there."""
    explanation = Explanation(allowed=False, serviceaccount=who, refusal=Why("r", "m", "n"), steps=steps)
    assert f"{who or 'A client with this token'} would be refused." == render(explanation)[0]


def test_the_end_of_a_login_is_told() -> None:
    """Between two moments, or at one if nothing is drawn."""
    explanation = explain()
    assert explanation.ends is not None
    for earliest, end in (
        (1_699_999_400, "A login now ends between 2023-11-14 22:03:20Z and 2023-11-14 22:13:20Z: NATS_USER_TTL is"),
        (1_700_000_000, "A login now ends at 2023-11-14 22:13:20Z."),
    ):
        ends = msgspec.structs.replace(explanation.ends, earliest=earliest, latest=1_700_000_000)
        text = " ".join(render(msgspec.structs.replace(explanation, ends=ends)))
        assert end in text


def test_notes_come_last() -> None:
    """What else is to be known."""
    assert ["", "Worth knowing:", "  a.yaml is broken"] == render(
        explain(situation=Situation(RULES, SITUATION.terms, 0.0, ("a.yaml is broken",)))
    )[-3:]


def test_one_of_all_takes_a_line() -> None:
    """However much is found; the sum comes last, with the command that tells the rest."""
    names = tuple(f"nats.io/x{number}" for number in range(MAX_SAID + 2))
    lines = render_survey(Survey(7, (Finding("orders/a", unknown_annotations=names, unreported=4),)))
    told = "; ".join(f"{name} means nothing" for name in names[:MAX_SAID])
    assert [
        f"orders/a: {told}; and 6 more",
        "",
        "7 ServiceAccounts, 1 with annotations that do not count as they stand.",
        "'callout explain --serviceaccount NAMESPACE/NAME' tells what to do.",
    ] == lines


@settings(max_examples=100, deadline=None)
@from_any(st.text(max_size=120), st.text(max_size=120))
def test_lines_are_short_and_printable(pub: str, sub: str) -> None:
    """Whatever stands in the annotations; only a long entry makes a line longer than the others."""
    for line in render(explain(pub, sub)):
        assert line.isprintable()
        assert len(line) <= WIDTH + MAX_QUOTED
