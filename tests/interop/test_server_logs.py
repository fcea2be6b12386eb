"""What nats-server logs of a client that it has refused: the doctor's command finds it, and its page has the words."""

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from callout.doctor.attempts import Attempt, judge_login
from callout.doctor.findings import Check, ok
from tests.commands import attempt
from tests.interop.clients import REFUSED
from tests.interop.environments import BINARIES, Environment, Setting
from tests.interop.operation import is_let_in, on
from tests.interop.reference_callout import ReferenceCallout
from tests.minting import ABSENT, NatsKey, decode_nats_jwt, encode_nats_jwt
from tests.pages import ROOT
from tests.waiting import PATIENCE_SECONDS, until

SETTINGS = tuple(
    Setting(mode, xkey=False, binary=binary) for binary in BINARIES for mode in ("server", "operator-creds")
)
STRANGER = NatsKey.generate("account")
SILENT = "silence"
CAUSE = " [WRN] "
"""In each line that says why; a line of [ERR] says only that somebody was refused."""

Answer = Callable[[ReferenceCallout, Mapping[str, Any]], bytes | None]


def sign_anew(callout: ReferenceCallout, request: Mapping[str, Any], signer: NatsKey) -> bytes:
    """An answer by the right key whose user JWT another key has signed, which it names."""
    envelope = decode_nats_jwt(callout.allow(request).decode())
    user = decode_nats_jwt(envelope["nats"]["jwt"]) | {"iss": signer.public}
    return callout.wrap(request, jwt=encode_nats_jwt(user, signer))


def place_elsewhere(callout: ReferenceCallout, request: Mapping[str, Any]) -> bytes:
    """An answer that places the client where there is nothing, or where it may not be."""
    if callout.environment.is_operator_mode:
        return callout.allow(request, issuer_account=callout.environment.keys.accounts["other"].public)
    return callout.allow(request, claims={"aud": "NOWHERE"})


ANSWERS: dict[str, Answer] = {
    "a denial": lambda callout, request: callout.deny(request, "token_malformed"),
    "an answer by a stranger's key": lambda callout, request: callout.allow(request, signer=STRANGER),
    "a user by a stranger's key": lambda callout, request: sign_anew(callout, request, STRANGER),
    "another account": place_elsewhere,
    "another client's user": lambda callout, request: callout.allow(
        request, claims={"sub": NatsKey.generate("user").public}
    ),
    "a malformed subject": lambda callout, request: callout.allow(request, pub=["a..b"]),
    "a login that has ended": lambda callout, request: callout.allow(request, claims={"exp": 1}),
    "nothing": lambda callout, request: b"",  # noqa: ARG005  # as all the others have it
    SILENT: lambda callout, request: None,  # noqa: ARG005
}


async def log_answers(environment: Environment) -> dict[str, list[str]]:
    """What the server logs at each answer to a login, without what it logs for whoever asks for it (debug)."""
    logged = {}
    for name, answer in ANSWERS.items():
        seen = len(environment.server.log())
        async with ReferenceCallout(environment, answer):
            try:
                await (await environment.connect("a token")).close()
            except REFUSED:
                await until(
                    lambda: CAUSE in environment.server.log()[seen:],  # noqa: B023  # is over when the next one begins
                    PATIENCE_SECONDS,
                    f"nats-server says why it refused a client after {name}",
                )
                lines = environment.server.log()[seen:].splitlines()
                logged[name] = [line for line in lines if " [ERR] " in line or CAUSE in line]
    return logged


@on(*SETTINGS)
async def test_who_has_signed_an_answer_counts_from_2_15_on(environment: Environment) -> None:
    """Before, a stranger's key lets a client in, in operator mode too, if the answer names the callout's account."""
    account = environment.keys.issuer.public if environment.is_operator_mode else ABSENT

    def answer(callout: ReferenceCallout, request: Mapping[str, Any]) -> bytes:
        user = decode_nats_jwt(callout.allow(request).decode())["nats"]["jwt"]
        return callout.wrap(request, jwt=user, signer=STRANGER, nats={"issuer_account": account})

    async with ReferenceCallout(environment, answer):
        assert (environment.setting.binary != BINARIES[0]) == await is_let_in(environment, "a token")


@on(*SETTINGS)
async def test_the_doctors_command_finds_why_a_login_was_refused(environment: Environment) -> None:
    """Whatever was wrong with the answer; all that old servers let pass is left out."""
    logged = await log_answers(environment)
    refused = Attempt(let_in=False, seconds=0.01)
    mend = judge_login(refused, "APP", "", ok(Check.TOKEN, "good")).mend.replace("<log of nats-server>", "-")
    command = shlex.split(mend, comments=True)
    assert "grep" == command[0]
    assert {"a denial", "a user by a stranger's key", "another account", SILENT} <= logged.keys()
    for name, lines in logged.items():
        causes = [line for line in lines if CAUSE in line]
        assert causes == attempt(command, stdin="\n".join(causes)).stdout.splitlines(), name


@on(*SETTINGS[:2])
async def test_the_page_has_the_words_that_the_newest_server_logs(environment: Environment) -> None:
    """Of each line that it tells of, in the modes that it names."""
    mode = "operator" if environment.is_operator_mode else "server"
    rows = re.findall(
        r"^\| `([^`]+)` \| (both|server|operator) \|", (ROOT / "docs/doctor.md").read_text(), re.MULTILINE
    )
    words = [text for text, where in rows if where in ("both", mode)]
    assert 7 <= len(words)
    await log_answers(environment)
    async with await environment.connect_as_service() as service:
        await service.publish("orders", b"")
        await service.subscribe("orders")
        await service.flush()
        service.errors.clear()
    log = environment.server.log()
    assert [] == [text for text in words if text not in log]
