"""What is read from JSON that comes from outside, and nothing more: msgspec decodes just these fields.

Shapes: nats-io/jwt v2 `authorization_claims.go` for the request; for the token, Kubernetes'
`pkg/serviceaccount/claims.go` and RFC 7519 section 4.1.
"""

import msgspec


class ServerId(msgspec.Struct, frozen=True, gc=False):
    """The server that asks: its display name, public key N… and, when it can seal, its curve key X…."""

    id: str
    name: str = ""
    xkey: str = ""


class ClientInfo(msgspec.Struct, frozen=True, gc=False):
    """The client as the server sees it: its address, and whether it is a client at all (`Client`, `Leafnode`)."""

    host: str = ""
    kind: str = ""


class ConnectOptions(msgspec.Struct, frozen=True, gc=False):
    """Where the client's token may stand. `jwt` is not read: in operator mode it holds the sentinel's."""

    auth_token: str = ""
    password: str = msgspec.field(name="pass", default="")


class RequestBody(msgspec.Struct, frozen=True, gc=False):
    """The NATS part of a request."""

    server_id: ServerId
    user_nkey: str
    client_info: ClientInfo = ClientInfo()
    connect_opts: ConnectOptions = ConnectOptions()
    type: str = ""
    version: int = 0


class RequestClaims(msgspec.Struct, frozen=True, gc=False):
    """An authorization request; times in Unix seconds."""

    iss: str
    nats: RequestBody
    aud: str = ""
    sub: str = ""
    exp: int = 0


class BoundObject(msgspec.Struct, frozen=True, gc=False):
    """A Kubernetes object that a token is bound to."""

    name: str = ""
    uid: str = ""


class KubernetesClaims(msgspec.Struct, frozen=True, gc=False):
    """The private claim `kubernetes.io`."""

    namespace: str = ""
    serviceaccount: BoundObject = BoundObject()


class TokenClaims(msgspec.Struct, frozen=True, gc=False):
    """A ServiceAccount token; times in Unix seconds, which RFC 7519 lets be fractions."""

    iss: str = ""
    sub: str = ""
    aud: str | list[str] = ""
    exp: float | None = None
    nbf: float = 0
    iat: float = 0
    kubernetes: KubernetesClaims = msgspec.field(name="kubernetes.io", default=KubernetesClaims())


class JoseHeader(msgspec.Struct, frozen=True, gc=False):
    """The header of a token (RFC 7515 section 4.1).

    `crit` is read to be refused, for we know no extension: its JSON as it stands there, and empty where it is absent.
    """

    alg: str = ""
    kid: str = ""
    crit: msgspec.Raw = msgspec.Raw()


decode_request = msgspec.json.Decoder(RequestClaims).decode
decode_token = msgspec.json.Decoder(TokenClaims).decode
decode_header = msgspec.json.Decoder(JoseHeader).decode
