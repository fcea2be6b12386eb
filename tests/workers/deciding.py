"""The decision on the test bench: a server's requests, an authorizer, and a snapshot that the test may change."""

import json
from typing import Any

import msgspec

from tests.minting import (
    Answer,
    AuthorizationRequest,
    CurveKey,
    Issuer,
    NatsKey,
    PretendServer,
    open_answer,
)
from workers.authorize import Allow, Authorizer, Denied, Dropped, LoginTerms, Outcome
from workers.keyset import parse_keyset
from workers.nkeys import decode_seed
from workers.reasons import Reason
from workers.record import Record
from workers.sa_token import (
    TokenRules,
    TokenVerifier,
)
from workers.user_jwt import Mode, ResponsePermission, Signer, render_permissions
from workers.xkeys import SealingKey

NOW = 1_800_000_000
TTL = 3600
XKEY_HEADER = "Nats-Server-Xkey"
ISSUER_URL, AUDIENCE = "https://k", "nats"
RULES = TokenRules(frozenset({ISSUER_URL}), frozenset({AUDIENCE}))
TERMS = LoginTerms(ttl=TTL, jitter=0, named=False)
PERMISSIONS = render_permissions(["shop.>"], [], ResponsePermission(1, 0))

ISSUER = Issuer.generate("EdDSA", "key-1")
OTHER_ISSUER = Issuer.generate("EdDSA", "key-2")
CALLOUT, CALLOUT_SIGNING = NatsKey.generate("account"), NatsKey.generate("account")
TARGET, TARGET_SIGNING = NatsKey.generate("account"), NatsKey.generate("account")
CURVE, STRANGER = CurveKey.generate(), CurveKey.generate()
SERVER = PretendServer(NatsKey.generate("server"), CurveKey.generate())
OTHER_SERVER = NatsKey.generate("server")


class Setup(msgspec.Struct, frozen=True):
    """How a server and its accounts are set up, and what an answer has to look like because of that."""

    mode: Mode
    response: NatsKey
    user: NatsKey
    account: str
    response_account: str | None = None
    user_account: str | None = None


SERVER_MODE = Setup(Mode.SERVER, CALLOUT, CALLOUT, "APP")
SETUPS = {
    "server": SERVER_MODE,
    "operator": Setup(Mode.OPERATOR, CALLOUT, TARGET, TARGET.public),
    "operator, signing key": Setup(Mode.OPERATOR, CALLOUT, TARGET_SIGNING, TARGET.public, user_account=TARGET.public),
    "operator, signing key for the response": Setup(
        Mode.OPERATOR, CALLOUT_SIGNING, TARGET, TARGET.public, response_account=CALLOUT.public
    ),
}


def token(
    issuer: Issuer = ISSUER, *, uid: str = "uid-1", ttl: float = TTL, name: str = "checkout", **changes: Any
) -> str:
    """A good token, but for what is named."""
    return issuer.token("shop", name, uid, audience=AUDIENCE, issuer=ISSUER_URL, now=NOW, ttl=ttl, **changes)


class Callout:
    """An authorizer with its token check and a snapshot that the test may change."""

    def __init__(self, setup: Setup = SERVER_MODE, *, sealed: bool = False, terms: LoginTerms = TERMS) -> None:
        self.setup = setup
        self.curve = CURVE if sealed else None
        self.tokens = TokenVerifier()
        self.trust(ISSUER)
        self.records = {("shop", "checkout"): Record("uid-1", setup.account, PERMISSIONS)}
        signer = Signer(setup.mode, decode_seed(setup.response.seed), decode_seed(setup.user.seed), CALLOUT.public)
        sealing_key = SealingKey(decode_seed(CURVE.seed)) if sealed else None
        self.authorizer = Authorizer(signer, self.tokens, terms, sealing_key)

    def trust(self, issuer: Issuer) -> None:
        """Put another key set in force."""
        self.tokens.trust(parse_keyset(json.dumps(issuer.jwks()).encode()), RULES)

    def look_up(self, namespace: str, name: str) -> Record | None:
        """Be the snapshot."""
        return self.records.get((namespace, name))

    def request(self, text: str | None = None, **changes: Any) -> AuthorizationRequest:
        """A request as the server makes it, with a good token unless another is given, but for what is named."""
        curve = self.curve.public if self.curve else None
        arguments: dict[str, Any] = {
            "subject": CALLOUT.public,
            "now": NOW,
            "token": text or token(),
            "callout_curve": curve,
        }
        return SERVER.request(**(arguments | changes))

    def decide(self, request: AuthorizationRequest, now: float = NOW, draw: float = 0.5) -> Outcome:
        """Decide as the worker does."""
        header = (request.headers or {}).get(XKEY_HEADER, "")
        return self.authorizer.decide(request.payload, header, self, now, draw)

    def ask(self, text: str | None = None, now: float = NOW, draw: float = 0.5, **changes: Any) -> Outcome:
        """Make a request and decide on it."""
        return self.decide(self.request(text, **changes), now, draw)

    def open(self, outcome: Outcome, request: AuthorizationRequest) -> Answer:
        """Read the answer as the strictest server would."""
        assert isinstance(outcome, Allow | Denied)
        return open_answer(
            outcome.answer,
            request,
            server=SERVER,
            response_issuer=self.setup.response.public,
            callout_curve=self.curve.public if self.curve else None,
        )


TOKEN = token()
NASTY = ('"', "\\", '","admin":true,"x":"', "\u2028", "\x00", "é", "😀", "}}", "a:b", ">", "\u202e")
"""Text that JSON, NATS or a terminal takes for something else."""


def allowed(outcome: Outcome) -> Allow:
    """The outcome, which has to be a login."""
    assert isinstance(outcome, Allow)
    return outcome


def reason(outcome: Outcome) -> Reason | None:
    """Why there is no login, or None."""
    if isinstance(outcome, Denied):
        return outcome.refusal.reason
    return outcome.reason if isinstance(outcome, Dropped) else None


def remembered() -> Callout:
    """A callout that has let `TOKEN` in once."""
    callout = Callout()
    allowed(callout.ask(TOKEN))
    return callout
