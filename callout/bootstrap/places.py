"""Where everything stands in the folder, by relative paths; and what the Kubernetes objects are called.

Rules kept here:
- One place knows each name: what is written, read back, named in an environment and told to the user cannot differ.
- What may be taken off the machine stands in a folder of its own.
"""

from typing import Final

RECORD: Final = "bootstrap.json"
README: Final = "README.txt"
CONFIG: Final = "nats.conf"
ENVIRONMENT: Final = "callout.env"
XKEY: Final = "seeds/xkey.nk"
OFFLINE: Final = "offline"
RESOLVER: Final = "resolver"
STORE: Final = "jetstream"
SECRETS: Final = "kubernetes/secrets.yaml"
NATS_VALUES: Final = "helm/nats.yaml"
CALLOUT_VALUES: Final = "helm/callout.yaml"
NACK_VALUES: Final = "helm/nack.yaml"
MEASURING: Final = "perf"
"""What `python -m perf.account` adds, for as long as something is measured; nothing here reads or writes it."""
NEW: Final = ".new"
"""What the name of a file ends with that is the new version of one which somebody has edited."""

SERVICE_SECRET: Final = "nats-callout"  # noqa: S105  # the name of a Secret
SYS_SECRET: Final = "nats-sys-creds"  # noqa: S105  # the name of a Secret
NACK_SECRET: Final = "nack-nats-creds"  # noqa: S105  # the name of a Secret
CREDENTIALS_KEY, SIGNING_KEY, ACCOUNT_SIGNING_KEY, XKEY_KEY = (
    "user.creds",
    "signing.key",
    "account-signing.key",
    "xkey.key",
)
"""Keys of the service's Secret; the first two are what the Go service's chart expects by default."""


def jwt_of(name: str) -> str:
    """The JWT of the operator or of an account."""
    return f"jwt/{name}.jwt"


def creds_of(user: str) -> str:
    """The credentials of a user."""
    return f"creds/{user}.creds"


def seed_of(name: str, number: int) -> str:
    """The seed of a signing key of the operator or of an account."""
    return f"seeds/{name}-signing-{number}.nk"


def root_of(name: str) -> str:
    """The seed of the operator's or an account's own key."""
    return f"{OFFLINE}/{name}.nk"


def resolved(public: str) -> str:
    """Where a full resolver looks for the JWT of an account."""
    return f"{RESOLVER}/{public}.jwt"
