"""The demo's clients: what they tell is what a real server has done.

The server here has no callout: a token lets in who has it, and nothing is denied. With permissions and refusals of the
service the same clients are run by `tests/callout/demo/test_command.py`.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from callout.demo.clients import Clients, Surroundings
from callout.demo.config import Plan, render_config
from callout.demo.scenarios import ALLOWED, CHECKOUT, INVOICER, NOT_IN, Flaw, Scenario, Verb
from callout.demo.server import find_binary, run_server
from callout.secret import Secret

TOKEN = "let-me-in"
LOG_IN = tuple(Scenario(who, Verb.LOG_IN, "in account {account}") for who in (CHECKOUT, INVOICER))
IN_ACCOUNT = "in account of a connection with a number"
REFUSED = Scenario(CHECKOUT, Verb.LOG_IN, "refused: {account}", flaw=Flaw.FORGED)


def perform(folder: Path, *scenarios: Scenario) -> Sequence[str]:
    """Carry scenarios out against a real server, and return what came of each."""

    def mint(_: str, flaw: Flaw) -> Secret:
        return Secret(TOKEN if flaw in (Flaw.NONE, Flaw.RECREATED) else "another")

    async def find_account(connection: int | None) -> str:
        return f"of a connection with {'a' if connection else 'no'} number"

    async def find_reason(who: str) -> str:
        return f"reason of {who}"

    async def run() -> list[str]:
        plan = Plan(render_config({"authorization": {"token": TOKEN}}, folder), {}, Secret(""), {}, "")
        async with run_server(find_binary(), plan, folder) as server:
            surroundings = Surroundings(server.url, "", mint, find_account, find_reason)
            async with Clients(surroundings) as clients:
                return [(await clients.perform(scenario)).outcome for scenario in scenarios]

    return asyncio.run(run())


def test_who_is_let_in_tells_its_account(tmp_path: Path) -> None:
    """As the server sees it."""
    assert [IN_ACCOUNT] * 2 == perform(tmp_path, *LOG_IN)


def test_who_is_refused_tells_the_reason_of_the_log(tmp_path: Path) -> None:
    """The client itself does not learn it."""
    assert [f"refused: reason of {CHECKOUT}"] == perform(tmp_path, REFUSED)


def test_who_should_have_been_refused_and_was_not_does_not_stay(tmp_path: Path) -> None:
    """What it could do then would be shown as a good client's."""
    flawed = Scenario(CHECKOUT, Verb.LOG_IN, "", flaw=Flaw.RECREATED)
    publish = Scenario(CHECKOUT, Verb.PUBLISH, "", "a")
    assert [IN_ACCOUNT, NOT_IN] == perform(tmp_path, flawed, publish)


def test_who_is_not_in_can_do_nothing(tmp_path: Path) -> None:
    """Each deed says so, in place of failing."""
    deeds = (Verb.PUBLISH, Verb.SUBSCRIBE, Verb.REQUEST)
    assert [NOT_IN] * 3 == perform(tmp_path, *(Scenario(CHECKOUT, verb, "", "a", INVOICER) for verb in deeds))


def test_a_message_counts_when_somebody_has_it(tmp_path: Path) -> None:
    """Without a receiver that nobody has denied it is all that can be told."""
    publish = Scenario(CHECKOUT, Verb.PUBLISH, "", "orders.created", INVOICER)
    alone = Scenario(CHECKOUT, Verb.PUBLISH, "", "orders.created")
    subscribe = Scenario(INVOICER, Verb.SUBSCRIBE, "", "anything.>")
    outcomes = perform(tmp_path, LOG_IN[0], publish, alone, LOG_IN[1], publish, subscribe)
    assert [f"{INVOICER} is {NOT_IN}", ALLOWED] == outcomes[1:3]
    assert [f"received by {INVOICER}", ALLOWED] == outcomes[4:]


def test_answers_are_counted(tmp_path: Path) -> None:
    """Where a second one is not denied there are two."""
    request = Scenario(CHECKOUT, Verb.REQUEST, "", "billing.requests", INVOICER)
    assert "2 answers" == perform(tmp_path, *LOG_IN, request)[-1]


def test_what_goes_wrong_is_an_outcome_too() -> None:
    """A server that is not there is told of in the table."""

    async def run() -> str:
        async def unused(_: object) -> str:
            raise AssertionError("nobody was asked")

        surroundings = Surroundings("nats://127.0.0.1:1", "APP", lambda *_: Secret(TOKEN), unused, unused)
        async with Clients(surroundings) as clients:
            return (await clients.perform(LOG_IN[0])).outcome

    assert asyncio.run(run()).startswith("failed: ")
