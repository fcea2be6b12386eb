"""Names in the environment that look like settings and are none: most likely misspelt.

A misspelt variable is the quietest of mistakes: the default is in force and nothing says so. On the other side,
Kubernetes puts variables into every pod for each Service of the namespace, and a Service called `nats` makes dozens
that begin like ours (kubernetes.io/docs, "Environment variables" of Services); those must not raise a false alarm.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping

PREFIXES = ("NATS_", "JWKS_", "JWT_", "K8S_", "SA_")
"""What a name begins with that is meant for this service, whatever comes after."""

CLIENTS: Mapping[str, str] = {
    "NATS_CA": "NATS_TLS_CA_FILE",
    "NATS_CERT": "NATS_TLS_CERT_FILE",
    "NATS_COLOR": "",
    "NATS_CONTEXT": "",
    "NATS_CREDS": "NATS_USER_CREDS_FILE",
    "NATS_INBOX_PREFIX": "",
    "NATS_JWT": "",
    "NATS_KEY": "NATS_TLS_KEY_FILE",
    "NATS_NKEY": "",
    "NATS_PASSWORD": "NATS_URL",
    "NATS_SEED": "",
    "NATS_SENTINEL_CREDS": "",
    "NATS_SOCKS_PROXY": "",
    "NATS_TIMEOUT": "",
    "NATS_TOKEN_FILE": "NATS_TOKEN",
    "NATS_USER": "NATS_URL",
}
"""Names that clients go by in the same terminal: the nats CLI's (natscli 0.5.1, `nats/main.go`), and those of
k8s/examples/clients; each with the setting of this service that has its meaning, if one has. NATS_URL and NATS_TOKEN,
which both have, are settings."""

# Similarity as difflib counts it, from 0 to 1. With one of the prefixes any resemblance helps; without, a name has to
# be one or two letters off: LOGLEVEL is LOG_LEVEL, but HTTP_PORT is nobody's misspelling of HTTP_HOST.
_LIKELY = 0.6
_SURE = 0.87

_SERVICE_LINK = re.compile(
    r"[A-Z0-9_]+_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)


def find_strangers(names: Iterable[str], known: Collection[str]) -> list[tuple[str, str | None]]:
    """Find the names that look like one of `known` without being one, each with the one it may be meant for.

    The case of letters does not count in the comparison; it does in the environment.
    """
    strangers = []
    for name in sorted(set(names) - set(known)):
        if _SERVICE_LINK.fullmatch(name):
            continue
        ours = name.upper().startswith(PREFIXES)
        close = difflib.get_close_matches(name.upper(), known, n=1, cutoff=_LIKELY if ours else _SURE)
        if ours or close:
            strangers.append((name, close[0] if close else None))
    return strangers
