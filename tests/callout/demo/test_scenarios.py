"""What the demo shows: all there is to show, about ServiceAccounts that are there."""

from pathlib import Path

import pytest

from callout.demo.scenarios import SCENARIOS, Flaw, Row, Scenario, Verb
from callout.manifests.folder import read_folder
from workers.reasons import Reason

EXAMPLES = Path(__file__).parents[3] / "k8s" / "examples" / "serviceaccounts"


def test_every_deed_and_every_flaw_is_shown() -> None:
    """One that is never shown would not be needed."""
    assert set(Verb) == {scenario.verb for scenario in SCENARIOS}
    assert set(Flaw) == {scenario.flaw for scenario in SCENARIOS}


def test_the_actors_are_in_the_examples() -> None:
    """But for the one who is not to be there."""
    accounts, _ = read_folder(EXAMPLES, "nats.io/")
    there = {f"{account.namespace}/{account.name}" for account in accounts}
    for scenario in SCENARIOS:
        assert (scenario.flaw is not Flaw.UNKNOWN) is (scenario.who in there)
        assert not scenario.partner or scenario.partner in there


def test_whoever_acts_has_logged_in_before() -> None:
    """The rows are carried out in their order, and a partner has to be there to receive."""
    inside: set[str] = set()
    for scenario in SCENARIOS:
        if scenario.verb is Verb.LOG_IN and not scenario.flaw:
            inside.add(scenario.who)
        elif not scenario.flaw:
            assert {scenario.who, scenario.partner} - {""} <= inside


def test_a_flaw_is_refused_for_a_reason_that_there_is() -> None:
    """In the words of the service's log."""
    expected = {scenario.expected for scenario in SCENARIOS if scenario.flaw}
    assert expected <= {f"refused: {reason}" for reason in Reason}


@pytest.mark.parametrize(
    ("scenario", "deed"),
    [
        (Scenario("a/b", Verb.LOG_IN, ""), "log in"),
        (Scenario("a/b", Verb.LOG_IN, "", flaw=Flaw.EXPIRED), "log in: token expired an hour ago"),
        (Scenario("a/b", Verb.PUBLISH, "", "orders.created", "c/d"), "publish orders.created"),
    ],
)
def test_a_deed_is_said_in_a_few_words(scenario: Scenario, deed: str) -> None:
    """As the table shows it."""
    assert deed == scenario.deed


def test_a_row_is_as_expected_if_the_words_are_the_same() -> None:
    """So that whatever else comes out is shown as it is."""
    assert Row("a/b", "log in", "allowed", "allowed").ok
    assert not Row("a/b", "log in", "failed: timed out", "allowed").ok
