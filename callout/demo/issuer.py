"""An issuer of ServiceAccount tokens for the demo: what the API server is in a cluster.

The tokens have the claims that kube-apiserver gives those that it projects into pods (Kubernetes,
`pkg/serviceaccount/claims.go`; "Schema for service account private claims" in its documentation). Its key exists in
memory only, and is gone with the process.
"""

import uuid
from typing import Final

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from callout.secret import Secret

ALGORITHM: Final = "RS256"  # the API server's, unless it was given an elliptic key
KEY_BITS: Final = 2048
_EXPONENT: Final = 65537
_POD: Final = "demo"


class LocalIssuer:
    """Signs tokens with a key drawn when it is made, which takes some tenths of a second.

    Args:
        issuer: the tokens' `iss`.
        key_id: the key's `kid`. Two issuers with the same one are an issuer and a forger.
    """

    def __init__(self, issuer: str, key_id: str = "demo") -> None:
        """Draw the key."""
        self.issuer = issuer
        self._key_id = key_id
        self._key = rsa.generate_private_key(_EXPONENT, KEY_BITS)

    def jwks(self) -> bytes:
        """Return the JWK Set (RFC 7517) that the tokens are verified with."""
        jwk = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        jwk.pop("key_ops", None)
        return msgspec.json.encode({"keys": [jwk | {"use": "sig", "kid": self._key_id, "alg": ALGORITHM}]})

    def mint(self, namespace: str, name: str, uid: str, *, audience: str, issued_at: int, lifetime: int) -> Secret:
        """Make the token of a ServiceAccount's pod; the moment in Unix seconds, the lifetime in seconds."""
        bound = {
            "namespace": namespace,
            "pod": {"name": _POD, "uid": str(uuid.uuid4())},
            "serviceaccount": {"name": name, "uid": uid},
        }
        claims = {
            "aud": [audience],
            "exp": issued_at + lifetime,
            "iat": issued_at,
            "iss": self.issuer,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": bound,
            "nbf": issued_at,
            "sub": f"system:serviceaccount:{namespace}:{name}",
        }
        return Secret(jwt.encode(claims, self._key, ALGORITHM, headers={"kid": self._key_id}))
