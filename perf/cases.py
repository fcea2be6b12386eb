"""What the ladder times: the stages of a decision, and whole decisions, each beside its own bare cryptography."""

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from nacl.bindings import crypto_sign_open

from callout.demo.config import draw_key
from perf.here.inputs import NOW, RULES, Accounts, Issuer, PrivateKey, ServiceAccounts
from perf.timing import Step
from workers.authorize import Allow
from workers.claims import decode_request, decode_token
from workers.jose import Compact, decode_segment, split
from workers.nkeys import Kind, decode_public, verify
from workers.sa_token import TokenVerifier
from workers.snapshot import SnapshotReader
from workers.user_jwt import issue_user, respond_allow
from workers.xkeys import SealingKey

FIRST_SEEN: Final = "first seen"
REMEMBERED: Final = "remembered"
_DRAW: Final = 0.5  # for the jitter
T = TypeVar("T")


class Case(msgspec.Struct, frozen=True):
    """A whole decision, and the cryptography that it cannot do without, for a batch of requests."""

    algorithm: str
    token: str
    mode: str
    whole: Step
    bare: Step


class Batch:
    """Requests of as many clients, each with a token of its own, and what the answers to them are."""

    def __init__(
        self, issuer: Issuer, accounts: Accounts, population: ServiceAccounts, reader: SnapshotReader, size: int
    ) -> None:
        """Mint the tokens, make the requests, decide once on each.

        Raises:
            RuntimeError: a decision is not to let the client in, so that there is nothing to be measured.
        """
        self.issuer = issuer
        self.accounts = accounts
        self.reader = reader
        self.keyset = issuer.publish()
        chosen = [number * len(population.identities) // size for number in range(size)]
        self.identities = [population.identities[position] for position in chosen]
        self.texts = [issuer.mint(*population.identities[position], population.uid(position)) for position in chosen]
        self.messages = [accounts.ask(text) for text in self.texts]
        self.requests = [_take_apart(message) for message in self.messages]
        self.tokens = [_take_apart(text.encode()) for text in self.texts]
        self.answers = [_take_apart(answer) for answer in self._decide_once()]
        self.users = [
            _take_apart(msgspec.json.decode(decode_segment(answer.payload))["nats"]["jwt"].encode())
            for answer in self.answers
        ]
        self.server = decode_public(accounts.server.public)[1]

    def new_memory(self) -> TokenVerifier:
        """Make a check of tokens that has seen none."""
        tokens = TokenVerifier()
        tokens.trust(self.keyset, RULES)
        return tokens

    def whole(self, *, first_seen: bool) -> Step:
        """Decide on each request, as the worker does; `first_seen` empties the memory before each run."""
        tokens = self.new_memory()
        decide = self.accounts.decider(tokens).decide
        reader, messages = self.reader, self.messages

        def run() -> None:
            for message in messages:
                with reader.view() as view:
                    assert view.keyset_version
                    decide(message, "", view, NOW, _DRAW)

        def forget() -> None:
            if first_seen:
                tokens.trust(self.keyset, RULES)

        return Step(run, len(messages), forget)

    def bare(self, *, first_seen: bool) -> Step:
        """Do the cryptography of those decisions, and nothing else."""
        signer, server = self.accounts.signer, self.server
        sign_user, sign_response = signer.user.sign, signer.response.sign
        check, convert = _bare_verifier(self.issuer.key)
        work = [
            (
                decode_segment(request.signature) + request.signing_input,
                convert(decode_segment(token.signature)),
                token.signing_input,
                user.signing_input,
                answer.signing_input,
            )
            for request, token, user, answer in zip(self.requests, self.tokens, self.users, self.answers, strict=True)
        ]

        def run() -> None:
            for signed_request, signature, token, user, response in work:
                crypto_sign_open(signed_request, server)
                if first_seen:
                    check(signature, token)
                sign_user(user)
                sign_response(response)

        return Step(run, len(work))

    def _decide_once(self) -> list[bytes]:
        decide = self.accounts.decider(self.new_memory()).decide
        answers = []
        for message in self.messages:
            with self.reader.view() as view:
                outcome = decide(message, "", view, NOW, _DRAW)
            if not isinstance(outcome, Allow):
                raise RuntimeError(f"a request that was to be answered was not: {outcome}")
            answers.append(outcome.answer)
        return answers


def list_cases(batch: Batch) -> list[Case]:
    """Return the cases of one algorithm and mode: tokens seen for the first time, and tokens remembered."""
    algorithm, mode = batch.issuer.algorithm, batch.accounts.signer.mode.value
    return [
        Case(algorithm, token, mode, batch.whole(first_seen=first_seen), batch.bare(first_seen=first_seen))
        for token, first_seen in ((FIRST_SEEN, True), (REMEMBERED, False))
    ]


def list_stages(batch: Batch) -> dict[str, Step]:
    """Return the stages of a decision in their order, but for the one that `list_token_checks` has."""
    remembering = batch.new_memory()
    signer = batch.accounts.signer
    user = draw_key(Kind.USER).public
    with batch.reader.view() as view:
        record = view.look_up(*batch.identities[0])
    assert record is not None
    server_id, permissions, account = batch.accounts.server.public, record.permissions, record.account
    user_jwts, answers = ([_put_together(one) for one in some] for some in (batch.users, batch.answers))
    ours, theirs = SealingKey(draw_key(Kind.CURVE)), SealingKey(draw_key(Kind.CURVE))
    sealed = [theirs.seal(message, ours.public) for message in batch.messages]

    def look_up(identity: tuple[str, str]) -> None:
        with batch.reader.view() as view:
            assert view.keyset_version
            view.look_up(*identity)

    def issue(_: object) -> None:
        issue_user(
            signer,
            user_nkey=user,
            account=account,
            permissions=permissions,
            issued_at=NOW,
            expires_at=NOW + 3600,
            request_id=user[:12],
            name=None,
        )

    return {
        "take the request apart": _each(batch.messages, _read_request),
        "verify the request's signature": _each(
            batch.requests,
            lambda request: verify(batch.server, request.signing_input, decode_segment(request.signature)),
        ),
        "take the token apart": _each(batch.texts, _read_token),
        "recall a remembered token": _each(batch.texts, lambda text: remembering.verify(text, NOW)),
        "look the ServiceAccount up": _each(batch.identities, look_up),
        "make and sign the user JWT": _each(batch.users, issue),
        "make and sign the response": _each(
            user_jwts,
            lambda made: respond_allow(signer, user_nkey=user, server_id=server_id, issued_at=NOW, user_jwt=made),
        ),
        "open a sealed request": _each(sealed, lambda message: ours.open(message, theirs.public)),
        "seal an answer": _each(answers, lambda answer: ours.seal(answer, theirs.public)),
    }


def list_token_checks(batch: Batch) -> dict[str, Step]:
    """Return the stage that differs by algorithm."""
    (verify_token,) = batch.keyset.keys[batch.issuer.algorithm].values()
    signed = [(decode_segment(token.signature), token.signing_input) for token in batch.tokens]
    return {
        f"verify the token's signature, {batch.issuer.algorithm}": _each(signed, lambda pair: verify_token(*pair)),
    }


def _each(items: list[T], work: Callable[[T], object]) -> Step:
    def run() -> None:
        for item in items:
            work(item)

    return Step(run, len(items))


def _read_request(message: bytes) -> None:
    decode_request(decode_segment(_take_apart(message).payload))


def _read_token(text: str) -> None:
    compact = _take_apart(text.encode())
    decode_segment(compact.signature)
    decode_token(decode_segment(compact.payload))


def _take_apart(token: bytes) -> Compact:
    compact = split(token)
    assert compact is not None
    return compact


def _put_together(compact: Compact) -> bytes:
    return b"%b.%b" % (compact.signing_input, compact.signature)


def _bare_verifier(
    key: PrivateKey,
) -> tuple[Callable[[bytes, bytes], object], Callable[[bytes], bytes]]:
    """Return the library's own call for a token's signature, and what makes of a JWS signature what that takes."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        scheme, digest = padding.PKCS1v15(), SHA256()
        return lambda signature, message: public.verify(signature, message, scheme, digest), bytes
    if isinstance(public, ec.EllipticCurvePublicKey):
        algorithm = ec.ECDSA(SHA256())
        return lambda signature, message: public.verify(signature, message, algorithm), _make_der
    raw = public.public_bytes_raw()
    return lambda signature, message: crypto_sign_open(signature + message, raw), bytes


def _make_der(signature: bytes) -> bytes:
    half = len(signature) // 2
    return encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
