"""Whatever is published straight to the callout's subject: the service answers with a signed error or not at all.

And it goes on deciding: at the end of all tests it runs with the workers it began with (`tests.interop.deployment`).
"""

import base64
import json
import time
from collections.abc import Callable

from hypothesis import strategies as st

from tests import any_json
from tests.interop.cast import PLAIN
from tests.interop.deployment import Deployment
from tests.interop.drawing import draw
from tests.interop.inquirer import Inquirer, reason_of
from tests.interop.overhearing import Claims, adopt, change, find_paths, look_up, overhear
from tests.minting import AuthorizationRequest, NatsKey, decode_nats_jwt, encode_nats_jwt
from workers.reasons import Reason

EXAMPLES = 60
"""Of each kind, in each environment."""
MAX_PAYLOAD = 1 << 20
"""Bytes: what a NATS message may hold unless the server says otherwise."""
DEEP, WELL_FORMED_DEEP = 40_000, 5_000
Forge = Callable[[Inquirer, Claims], AuthorizationRequest]


def encode(body: bytes) -> bytes:
    """Something in the form of a JWT, with that body."""
    return b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (b"{}", body, bytes(64)))


def with_end(end: str) -> Forge:
    """A request whose `exp` is written like that."""
    return lambda inquirer, true: inquirer.wrap(
        encode(json.dumps(true).replace(f'"exp": {true["exp"]}', f'"exp": {end}').encode())
    )


def with_member(path: str, value: object) -> Forge:
    """A request, well signed, with another value at that path."""
    return lambda inquirer, true: inquirer.reissue(change(true, path, value))


ODD: dict[str, Forge] = {
    "nothing": lambda inquirer, _: inquirer.wrap(b""),
    "one byte": lambda inquirer, _: inquirer.wrap(b"\0"),
    "two dots": lambda inquirer, _: inquirer.wrap(b".."),
    "as much as NATS takes": lambda inquirer, _: inquirer.wrap(b"A" * (MAX_PAYLOAD - 1024)),
    "larger than any request": with_member("padding", "x" * (64 << 10)),
    "a seal on nothing": lambda *_: AuthorizationRequest(b"xkv1", {"Nats-Server-Xkey": "X"}, ""),
    "a seal without a header": lambda *_: AuthorizationRequest(b"xkv1" + bytes(100), None, ""),
    "deep": lambda inquirer, _: inquirer.wrap(encode(b"[" * DEEP)),
    "deep and well-formed": lambda inquirer, _: inquirer.wrap(
        encode(b'{"a":' * WELL_FORMED_DEEP + b"1" + b"}" * WELL_FORMED_DEEP)
    ),
    "no UTF-8": lambda inquirer, _: inquirer.wrap(encode(b'{"iss":"\xff"}')),
    "half a surrogate": with_member("iss", "\ud800"),
    "an end beyond all integers": with_end("9" * 5_000),
    "an end that is no number": with_end("NaN"),
    "an end below zero": with_end("-1"),
    "a user that breaks out of the JSON": with_member("nats.user_nkey", 'U","nats":{},"x":"'),
    "a server that breaks out of the JSON": with_member("nats.server_id.id", 'N","nats":{},"x":"'),
    "an account for a user": with_member("nats.user_nkey", NatsKey.generate("account").public),
    "an account for a server": with_member("nats.server_id.id", NatsKey.generate("account").public),
}


async def test_odd_ones_get_silence(deployment: Deployment) -> None:
    """Whatever cannot be decoded is dropped, however large, deep or clever it is."""
    heard = await overhear(deployment)
    async with deployment.inquirer() as inquirer:
        true = adopt(heard.claims, inquirer.server)
        answers = await inquirer.ask_all([forge(inquirer, true) for forge in ODD.values()])
    assert dict.fromkeys(ODD) == dict(zip(ODD, map(reason_of, answers), strict=True))


async def test_random_requests_let_nobody_in(deployment: Deployment) -> None:
    """Bytes, JSON, and true requests cut short or damaged: an answer, if there is one, is an error, well signed."""
    heard = await overhear(deployment)
    async with deployment.inquirer() as inquirer:
        true = adopt(heard.claims, inquirer.server)
        text = encode_nats_jwt(true, inquirer.server.key).encode()
        sent: list[bytes] = [
            *draw(st.binary(max_size=300), EXAMPLES),
            *draw(st.binary(max_size=300).map(lambda rest: b"xkv1" + rest), EXAMPLES),
            *(encode_nats_jwt(claims, inquirer.server.key).encode() for claims in draw(_objects(), EXAMPLES)),
            *(text[:length] for length in draw(st.integers(0, len(text) - 1), EXAMPLES)),
            *(_damage(text, *where) for where in draw(_damages(len(text)), EXAMPLES)),
        ]
        answers = await inquirer.ask_all([inquirer.wrap(each) for each in sent])
    for payload, answer in zip(sent, answers, strict=True):
        # Base64 has spare bits at the end of a signature: that damage does no harm.
        assert "" != reason_of(answer) or true == decode_nats_jwt(payload.decode()), payload
    await _goes_on(deployment)


def _objects() -> st.SearchStrategy[dict[str, object]]:
    return st.dictionaries(
        st.sampled_from(["iss", "aud", "sub", "exp", "nats"]) | st.text(max_size=4), any_json.values(), max_size=6
    )


def _damages(length: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(0, length - 1), st.integers(1, 255))


def _damage(text: bytes, position: int, bits: int) -> bytes:
    return text[:position] + bytes([text[position] ^ bits]) + text[position + 1 :]


# A request in which one of these is another value than the true one lets nobody in.
ESSENTIAL = {
    "iss",
    "aud",
    "sub",
    "nats",
    "nats.type",
    "nats.version",
    "nats.user_nkey",
    "nats.server_id",
    "nats.server_id.id",
    "nats.connect_opts",
    "nats.connect_opts.auth_token",
}


async def test_true_requests_with_a_random_member(deployment: Deployment) -> None:
    """Any value at any place, well signed: a login only where the value does not matter, else an error or silence."""
    heard = await overhear(deployment)
    async with deployment.inquirer() as inquirer:
        true = adopt(heard.claims, inquirer.server)
        changes = draw(st.tuples(st.sampled_from(list(find_paths(true))), any_json.values()), EXAMPLES * 3)
        answers = await inquirer.ask_all([inquirer.reissue(change(true, *each)) for each in changes])
    for (path, value), answer in zip(changes, answers, strict=True):
        let_in = reason_of(answer) == ""
        assert not (let_in and path in ESSENTIAL) or value == look_up(true, path), (path, value)
    await _goes_on(deployment)


async def _goes_on(deployment: Deployment) -> None:
    began = time.monotonic()
    async with await deployment.connect(PLAIN):
        assert time.monotonic() > began
    assert 0 == deployment.count(Reason.INTERNAL_ERROR)
