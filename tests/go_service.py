"""The Go service's environment, as its documentation has it, and what becomes of each variable here.

Its documentation and its `internal/config/config.go` are those of November 2025. The page docs/migrate-from-go.md tells
the same to its users, and tests hold the two together.
"""

from typing import Final

DEPLOYED: Final = {
    "PORT": "8080",
    "LOG_LEVEL": "info",
    "NATS_URL": "nats://nats:4222",
    "NATS_USER_CREDS_FILE": "/etc/nats/user.creds",
    "NATS_SIGNING_KEY_FILE": "/etc/nats/signing.key",
    "NATS_ACCOUNT": "APP",
    "JWKS_URL": "https://kubernetes.default.svc/openid/v1/jwks",
    "JWT_ISSUER": "https://kubernetes.default.svc",
    "JWT_AUDIENCE": "nats",
    "SA_ANNOTATION_PREFIX": "nats.io/",
    "CACHE_CLEANUP_INTERVAL": "15m",
    "K8S_IN_CLUSTER": "true",
    "K8S_NAMESPACE": "",
}
"""Every variable of a pod of it, with its own defaults written out."""

POD: Final = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
"""What Kubernetes adds."""

TAKEN: Final[dict[str, dict[str, str]]] = {
    "its least": {"NATS_URL": "", "JWKS_URL": "", "JWT_ISSUER": "", "JWT_AUDIENCE": ""},
    "a password in the address": {"NATS_URL": "nats://auth:password@nats:4222", "NATS_USER_CREDS_FILE": ""},
    "a token": {"NATS_USER_CREDS_FILE": "", "NATS_TOKEN": "a-token"},
    "keys from a file": {"JWKS_URL": "", "JWKS_PATH": "/etc/jwks/jwks.json"},
    "outside of the cluster": {"K8S_IN_CLUSTER": "F", "KUBECONFIG": "/home/me/.kube/config:/etc/kubeconfig"},
    "zap's word for warnings": {"LOG_LEVEL": "WARN"},
    "an interval that is none": {"CACHE_CLEANUP_INTERVAL": "soon"},
    "the global account": {"NATS_ACCOUNT": "$G"},
}
"""What may be set there besides, and is taken here as it stands."""

WARNED: Final[dict[str, tuple[dict[str, str], str]]] = {
    "the interval of a cache": ({}, "CACHE_CLEANUP_INTERVAL: is ignored, the snapshot follows the API server"),
    "the old name of the credentials": (
        {"NATS_USER_CREDS_FILE": "", "NATS_CREDS_FILE": "/etc/nats/auth.creds"},
        "NATS_CREDS_FILE: is the old name of NATS_USER_CREDS_FILE; it is taken for that",
    ),
    "no login": ({"NATS_USER_CREDS_FILE": ""}, "NATS_URL: names no user, so the servers would ask the service about"),
    "a name that neither has": ({"NATS_QUEUE": "q"}, "NATS_QUEUE: is no setting of this service"),
}
"""What is taken with a warning, and how that begins. The first is there in any case."""

REFUSED: Final[dict[str, tuple[dict[str, str], str]]] = {
    "a port that is none": ({"PORT": "http"}, "PORT: 'http' is not right"),
    "neither true nor false": ({"K8S_IN_CLUSTER": "maybe"}, "K8S_IN_CLUSTER: 'maybe' is not right"),
    "a level that is none of ours": ({"LOG_LEVEL": "fatal"}, "LOG_LEVEL: 'fatal' is not right"),
    "an annotation's name that is none": ({"SA_ANNOTATION_PREFIX": "/"}, "SA_ANNOTATION_PREFIX: '/' is not right"),
    "a list of namespaces": ({"K8S_NAMESPACE": "a,b"}, "K8S_NAMESPACE: 'a,b' is not right"),
    "no key that signs": (
        {"NATS_SIGNING_KEY_FILE": "", "NATS_USER_CREDS_FILE": "", "NATS_CREDS_FILE": "/etc/nats/auth.creds"},
        "NATS_SIGNING_KEY_FILE: is required",
    ),
    "two ways to log in": ({"NATS_TOKEN": "a-token"}, "NATS_USER_CREDS_FILE: is set together with NATS_TOKEN"),
    "two sources of keys": ({"JWKS_PATH": "/etc/jwks/jwks.json"}, "JWKS_URL: is set together with JWKS_PATH"),
}
"""What stops the start here; the first five have no effect there, or another one."""


def environ(changes: dict[str, str]) -> dict[str, str]:
    """The environment of a pod in which some variables are other than usual."""
    return DEPLOYED | POD | changes
