"""Requests as a nats-server makes them: the service's own decision takes them."""

import asyncio
import time
from pathlib import Path

import pytest

from callout.demo.config import draw_key
from perf.generator.requests import SERVER_WAITS_S, XKEY_HEADER, RequestMaker
from perf.here.inputs import NOW, RULES, TERMS, Accounts, Issuer, ServiceAccounts
from perf.overload import sign_on_time
from tests.minting import decode_nats_jwt
from workers.authorize import Allow, Authorizer, Dropped
from workers.nkeys import Kind
from workers.reasons import Reason
from workers.sa_token import TokenVerifier
from workers.snapshot import SnapshotReader
from workers.user_jwt import Mode
from workers.xkeys import SealingKey


@pytest.mark.parametrize("sealed", [False, True])
def test_a_request_is_answered_with_a_login(tmp_path: Path, *, sealed: bool) -> None:
    """In the clear, and sealed for the service; and its answer can be read."""
    issuer, accounts, population = Issuer("EdDSA"), Accounts(Mode.SERVER), ServiceAccounts(1)
    population.write(tmp_path, accounts.target)
    service = SealingKey(draw_key(Kind.CURVE))
    maker = RequestMaker(accounts.signer.callout_account, service.public if sealed else "")
    tokens = TokenVerifier()
    tokens.trust(issuer.publish(), RULES)
    authorizer = Authorizer(accounts.signer, tokens, TERMS, service if sealed else None)
    message = maker.message(issuer.mint(*population.identities[0], population.uid(0)), NOW + SERVER_WAITS_S)
    header, payload = take_apart(message, sealed=sealed)
    reader = SnapshotReader(tmp_path)
    with reader.view() as view:
        outcome = authorizer.decide(payload, header, view, NOW, 0)
        late = authorizer.decide(payload, header, view, NOW + SERVER_WAITS_S + 1, 0)
    reader.close()
    assert isinstance(outcome, Allow)
    assert decode_nats_jwt(maker.open(outcome.answer).decode())["nats"]["jwt"]
    assert Dropped(Reason.REQUEST_EXPIRED) == late


def take_apart(message: bytes, *, sealed: bool) -> tuple[str, bytes]:
    """Return the header and the payload of what follows a reply subject."""
    sizes, _, rest = message.partition(b"\r\n")
    head_size, size = [0, *(int(word) for word in sizes.split())][-2:]
    assert (b"HPUB" if sealed else b"PUB") == RequestMaker("A", draw_key(Kind.CURVE).public if sealed else "").verb
    assert size + 2 == len(rest)
    header = rest[:head_size].decode().partition(f"{XKEY_HEADER}: ")[2].strip()
    return header, rest[head_size:-2]


def test_every_request_is_another_clients() -> None:
    """Though tokens come again."""
    maker = RequestMaker("A")
    messages = asyncio.run(maker.prepare(["a", "b"], 6, NOW))
    payloads = [take_apart(message, sealed=False)[1].decode() for message in messages]
    requests = [decode_nats_jwt(payload)["nats"] for payload in payloads]
    assert ["a", "b"] * 3 == [request["connect_opts"]["auth_token"] for request in requests]
    assert 6 == len({request["user_nkey"] for request in requests})


def test_each_expires_two_seconds_after_its_moment() -> None:
    """Cut to whole seconds, as nats-server does."""
    began = float(int(time.time())) + 10.5
    messages, seconds = asyncio.run(sign_on_time(RequestMaker("A"), ["a"], [0.0, 0.4, 0.5, 3.6], began))
    ends = [decode_nats_jwt(take_apart(message, sealed=False)[1].decode())["exp"] for message in messages]
    whole = int(began)
    assert [whole + 2, whole + 2, whole + 3, whole + 6] == ends
    assert seconds > 0
