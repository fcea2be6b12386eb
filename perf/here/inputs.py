"""What the measurements decide on: tokens, requests, keys and a snapshot, as a cluster and a nats-server make them.

Built on the product itself, so that it runs wherever the product is installed. That the product is right is for the
tests to say.
"""

import json
import uuid
from contextlib import closing
from pathlib import Path
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from callout.demo.config import draw_key
from callout.errors import CommandError
from callout.files import reason_of
from workers.authorize import AUDIENCE as REQUEST_AUDIENCE
from workers.authorize import CLAIMS_VERSION, REQUEST_TYPE, Authorizer, LoginTerms
from workers.jose import encode_segment
from workers.keyset import KeySet, parse_keyset
from workers.nkeys import Kind
from workers.record import Record
from workers.sa_token import TokenRules, TokenVerifier
from workers.snapshot import SnapshotFullError, SnapshotReader, SnapshotWriter
from workers.user_jwt import Mode, ResponsePermission, Signer, render_permissions

NOW: Final = 1_800_000_000  # the moment of all decisions; a decision takes the time as an argument
TOKEN_TTL: Final = 3600  # seconds, a projected token's default
ISSUER: Final = "https://kubernetes.default.svc.cluster.local"
AUDIENCE: Final = "nats"
NAMESPACES: Final = 50  # how many the ServiceAccounts are spread over
ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
RULES: Final = TokenRules(frozenset({ISSUER}), frozenset({AUDIENCE}))
TERMS: Final = LoginTerms(ttl=3600, jitter=0.2, named=False)

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class Issuer:
    """A cluster's issuer of ServiceAccount tokens; `algorithm` is RS256, ES256 or EdDSA."""

    def __init__(self, algorithm: str) -> None:
        """Draw the key."""
        self.algorithm = algorithm
        self.key: PrivateKey
        if algorithm == "RS256":
            self.key = rsa.generate_private_key(65537, 2048)
        elif algorithm == "ES256":
            self.key = ec.generate_private_key(ec.SECP256R1())
        else:
            self.key = ed25519.Ed25519PrivateKey.generate()

    def publish(self) -> KeySet:
        """Return the key set as a worker holds it."""
        method = jwt.algorithms.get_default_algorithms()[self.algorithm]
        made = method.to_jwk(self.key.public_key(), as_dict=True)
        return parse_keyset(json.dumps({"keys": [{**made, "kid": self.algorithm, "alg": self.algorithm}]}).encode())

    def mint(self, namespace: str, name: str, uid: str) -> str:
        """Make a token as a pod has it."""
        claims = {
            "aud": [AUDIENCE],
            "exp": NOW + TOKEN_TTL,
            "iat": NOW,
            "iss": ISSUER,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": {
                "namespace": namespace,
                "node": {"name": "node-0", "uid": str(uuid.uuid4())},
                "pod": {"name": f"{name}-6d4cf56db6-x7k2p", "uid": str(uuid.uuid4())},
                "serviceaccount": {"name": name, "uid": uid},
                "warnafter": NOW + TOKEN_TTL + 7,
            },
            "nbf": NOW,
            "sub": f"system:serviceaccount:{namespace}:{name}",
        }
        return jwt.encode(claims, self.key, self.algorithm, headers={"kid": self.algorithm})


class Accounts:
    """The keys of a server, of its accounts and of the callout, in one of the server's modes."""

    def __init__(self, mode: Mode) -> None:
        """Draw the keys."""
        self.server = draw_key(Kind.SERVER)
        callout, target = draw_key(Kind.ACCOUNT), draw_key(Kind.ACCOUNT)
        self.target = "APP" if mode is Mode.SERVER else target.public
        # In operator mode as most have it: a signing key of the target, which names its account.
        user = callout if mode is Mode.SERVER else draw_key(Kind.ACCOUNT)
        self.signer = Signer(mode, callout, user, callout.public)

    def ask(self, token: str) -> bytes:
        """Make the request of a client with that token."""
        claims = {
            "aud": REQUEST_AUDIENCE,
            "exp": NOW + 2,
            "jti": "7YQHGKLNOZ5QVVA2GYDTVJ2DDXDBZRNBLWZZEDBRHMLCGPUFNRQA",
            "iat": NOW,
            "iss": self.server.public,
            "sub": self.signer.callout_account,
            "nats": {
                "server_id": {"name": "nats-0", "host": "0.0.0.0", "id": self.server.public, "version": "2.15.1"},  # noqa: S104  # what a server says of itself
                "user_nkey": draw_key(Kind.USER).public,
                "client_info": {"host": "10.42.0.17", "id": 1234, "kind": "Client", "type": "nats", "nonce": "4pOEuD0"},
                "connect_opts": {"auth_token": token, "lang": "go", "version": "1.52.0", "protocol": 1},
                "type": REQUEST_TYPE,
                "version": CLAIMS_VERSION,
            },
        }
        parts = ({"typ": "JWT", "alg": "ed25519-nkey"}, claims)
        text = b".".join(encode_segment(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
        return text + b"." + encode_segment(self.server.sign(text))

    def decider(self, tokens: TokenVerifier) -> Authorizer:
        """Make what decides."""
        return Authorizer(self.signer, tokens, TERMS, None)


class ServiceAccounts:
    """So many ServiceAccounts, and a snapshot of them; the account that their clients go to is an argument."""

    def __init__(self, count: int) -> None:
        """Name them."""
        self.identities = [(f"team-{number % NAMESPACES}", f"app-{number}") for number in range(count)]

    def uid(self, position: int) -> str:
        """Return the uid of one of them: drawn from nothing, and the same each time."""
        return str(uuid.UUID(int=position))

    def keep(self, directory: Path, account: str) -> SnapshotReader:
        """Write a snapshot into a folder, which is made if it is missing, and open it as a worker does.

        Raises:
            CommandError: there is no room for it, or this user may not.
        """
        try:
            directory.mkdir(exist_ok=True)
            self.write(directory, account)
            return SnapshotReader(directory)
        except (OSError, SnapshotFullError) as error:
            reason = reason_of(error) if isinstance(error, OSError) and error.strerror else str(error)
            raise CommandError(f"{directory} holds no snapshot: {reason}") from None

    def write(self, directory: Path, account: str) -> None:
        """Write a snapshot and close it, so that this process may read it; its key set is never parsed.

        Raises:
            OSError: the folder cannot be written.
            SnapshotFullError: there is no room for all of it.
        """
        with closing(SnapshotWriter(directory)) as writer, writer.transaction() as transaction:
            for position, (namespace, name) in enumerate(self.identities):
                own, inbox = f"{namespace}.>", f"_INBOX_{namespace}_{name}.>"
                permissions = render_permissions([own], [own, "_INBOX.>", inbox], ResponsePermission(1, 0))
                transaction.put(namespace, name, Record(self.uid(position), account, permissions))
            transaction.set_trust(b"{}", RULES.issuers, RULES.audiences)
            transaction.set_ready()
