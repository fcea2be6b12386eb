"""In server mode two accounts share what is asked and answered: those of the page, and of a set-up that starts here.

Requests hold tokens that are good, and answers hold logins: an export without `accounts` is there for any account.
"""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from perf.generator.requests import ASKING_SUBJECT, INBOX, SUBJECT
from perf.here.plan import ASKER, make_plan
from tests.commands import Done, attempt
from tests.interop.bootstrapped import Server
from tests.interop.clients import REFUSED, open_client
from tests.interop.environments import BINARIES
from tests.perf.deployed import declare_in_config

ANSWERS = f"{INBOX}.>"
STREAMS = pytest.mark.parametrize(("account", "subject"), [("PERF", ASKING_SUBJECT), ("AUTH", ANSWERS)])
Declare = Callable[[Path], tuple[str, str]]
"""Makes nats.conf; returns its text, and the password of the user who asks."""


def declare_as_on_the_page(folder: Path) -> tuple[str, str]:
    """The page's accounts."""
    declare_in_config(folder)
    return (folder / "nats.conf").read_text(), (folder / "perf.login").read_text().strip().partition(":")[2]


def declare_as_started_here(folder: Path) -> tuple[str, str]:
    """The accounts of a set-up that a script starts itself, as one account a line, which nats.conf allows."""
    folder.mkdir()
    made = make_plan(folder)
    return re.sub(r"(?m)^accounts: \{", "accounts {\n", made.plan.config), made.password


DECLARE = pytest.mark.parametrize("declare", [declare_as_on_the_page, declare_as_started_here])


def check(config: Path) -> Done:
    """Let nats-server look at its configuration, and do no more."""
    return attempt([BINARIES[0].path, "-c", config, "-t"])


@DECLARE
@STREAMS
def test_another_account_cannot_import_it(tmp_path: Path, declare: Declare, account: str, subject: str) -> None:
    """nats-server refuses the whole configuration, and takes it without the import."""
    folder = tmp_path / "nats"
    text, _ = declare(folder)
    config = folder / "nats.conf"
    wanted = f'[{{ stream: {{ account: {account}, subject: "{subject}" }} }}]'
    for imports, code, said in (("[]", 0, "is valid"), (wanted, 1, f'"{subject}": stream import not authorized')):
        assert 1 == text.count("accounts {\n")
        config.write_text(text.replace("accounts {\n", f"accounts {{\n  TENANT {{ imports: {imports} }}\n"))
        done = check(config)
        assert code == done.returncode, done.stderr
        assert said in done.stdout + done.stderr


@DECLARE
def test_who_asks_may_do_nothing_else(tmp_path: Path, declare: Declare) -> None:
    """Ask, and hear the answers: whoever finds the password can do no more in that account."""
    folder = tmp_path / "nats"
    text, password = declare(folder)
    (folder / "nats.conf").write_text(text)

    async def scenario() -> None:
        with Server(BINARIES[0].path, folder) as server:
            async with await open_client(server.url, {"user": ASKER, "password": password}) as client:
                await client.publish(ASKING_SUBJECT, b"")
                await client.subscribe(f"{INBOX}.one.*.*")
                await client.flush()
                assert [] == client.errors
                for subject in (SUBJECT, "$SYS._INBOX.other", "orders.created"):
                    await client.publish(subject, b"")
                    await client.subscribe(subject)
                await client.flush()
                assert 6 == sum("permissions violation" in str(error) for error in client.errors)

    asyncio.run(scenario())


def test_who_asks_has_to_be_among_auth_users(tmp_path: Path) -> None:
    """Otherwise the server asks the service about that user as about any client."""
    folder = tmp_path / "nats"
    text, password = declare_as_on_the_page(folder)
    assert 1 == text.count('["callout", "perf"]')
    (folder / "nats.conf").write_text(text.replace('["callout", "perf"]', '["callout"]'))

    async def scenario() -> None:
        with Server(BINARIES[0].path, folder) as server, pytest.raises(REFUSED, match="Authorization Violation"):
            await open_client(server.url, {"user": ASKER, "password": password})

    asyncio.run(scenario())
