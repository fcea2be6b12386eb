"""The table of settings: each with its form, its default, and what it does.

From this one table come the parser (`callout.config.loading`), the help of `callout config` and the README's table
(`callout.config.help`), and what is checked of each file (`callout.config.file_checks`).
A new setting is a row here, and an attribute of `Settings` of the same name in lower case.
"""

from pathlib import Path

import msgspec

from callout.config.combinations import Required
from callout.config.nats_url import NATS_ADDRESSES
from callout.config.values import (
    ACCOUNT,
    ACCOUNT_SEED_FILE,
    ANNOTATION_PREFIX,
    BOOLEAN,
    CREDENTIALS_FILE,
    CURVE_SEED_FILE,
    FILE,
    FILE_OR_FOLDER,
    FILES,
    FOLDER,
    HOST,
    NAMESPACE,
    TOKEN,
    WEB_ADDRESS,
    WORDS,
    Form,
    duration,
    number,
    one_of,
    whole_number,
)
from callout.secret import Secret
from callout.urls import MAX_PORT
from workers.nkeys import Kind
from workers.user_jwt import Mode

MAX_WORKERS = 256
"""More than any machine has use for; each is a process of about 50 MB with a connection to NATS."""
MIN_USER_TTL, MAX_USER_TTL = "1s", "24h"
"""A login ends with the client's token in any case; a day is the most that a deleted ServiceAccount may stay in."""
MAX_JITTER = 0.9
"""The share of a login's time that may be cut off at random; the whole of it would leave logins of no length."""
UNLIMITED = -1
MAX_RESPONSES = 1_000_000
MIN_RESPONSE_TTL, MAX_RESPONSE_TTL = "1ms", "24h"
"""There has to be an end: nats-server keeps each unanswered reply subject of a connection for that long, and with no
limit for as long as the connection lasts (`client.go`, `pruneReplyPerms`). 0 would mean two minutes there."""
MIN_DRAIN, MAX_DRAIN = "100ms", "1h"


class File(msgspec.Struct, frozen=True):
    """What is known of a file that a setting names; whoever may write it decides who gets in, so others must not.

    Attributes:
        private: whether it holds a secret, so that others must not read it either.
        seed: the kind of key whose seed it holds; None if it holds something else.
        for_workers: whether workers are started with what it holds, so that a change needs new ones.
    """

    private: bool = False
    seed: Kind | None = None
    for_workers: bool = False


class Setting(msgspec.Struct, frozen=True):
    """A row of the table.

    Attributes:
        name: the variable.
        form: how its value is written.
        about: what it does, in a sentence.
        default: the value that an unset variable stands for, as it would be written; None if there is none.
        default_note: what happens without a value, where `default` cannot say it.
        required: when it has to be set: "" is never; what else there is, `callout.config.combinations` knows.
        secret: whether its value must not be seen.
        go: whether the Go service has it, too.
        file: what it names, if that is a file (or a folder of files) to be read; None if it is none.
        source: what tells its value, for who has to set it; "" if nothing does.
    """

    name: str
    form: Form
    about: str
    default: str | None = None
    default_note: str = ""
    required: Required = ""
    secret: bool = False
    go: bool = False
    file: File | None = None
    source: str = ""

    @property
    def field(self) -> str:
        """The name of its attribute in `Settings`."""
        return self.name.lower()


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings in force; each attribute is the lower-case name of its variable, durations are in seconds.

    `nats_url` is taken apart by `callout.config.nats_url.split`. An empty `jwt_issuer` is asked of the API server.
    """

    nats_url: Secret
    nats_user_creds_file: Path | None
    nats_token: Secret | None
    nats_mode: Mode
    nats_account: str
    nats_signing_key_file: Path
    nats_account_signing_key_file: Path | None
    nats_xkey_file: Path | None
    nats_workers: int
    nats_user_ttl: float
    nats_user_ttl_jitter: float
    nats_user_name: bool
    nats_shared_inbox: bool
    nats_response_max: int
    nats_response_ttl: float
    nats_stream_admin: bool
    nats_ceiling_file: Path | None
    nats_tls_ca_file: Path | None
    nats_tls_cert_file: Path | None
    nats_tls_key_file: Path | None
    jwks_url: str | None
    jwks_path: Path | None
    jwt_issuer: tuple[str, ...]
    jwt_audience: tuple[str, ...]
    sa_annotation_prefix: str
    k8s_in_cluster: bool
    k8s_namespace: str | None
    kubeconfig: str | None
    serviceaccounts_path: Path | None
    snapshot_dir: Path | None
    log_level: str
    port: int
    http_host: str | None
    drain_timeout: float


def say_required(setting: Setting) -> str:
    """Say when a setting has to be set, for one that sometimes has to."""
    return "required" if setting.required == "always" else f"required {setting.required}"


def parse_response_max(text: str) -> int:
    """Read how many replies a client may send; 0 is for none, which is said by leaving the permission out."""
    if text == str(UNLIMITED):
        return UNLIMITED
    value = _RESPONSES.parse(text)
    assert isinstance(value, int)
    return value


_RESPONSES = whole_number(0, MAX_RESPONSES)
_LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "warn": "warning", "error": "error"}

TABLE = (
    Setting(
        "NATS_URL",
        NATS_ADDRESSES,
        "All the NATS servers to connect to: others that they name are not learned. Perhaps the user to connect as.",
        default="nats://nats:4222",
        secret=True,
        go=True,
    ),
    Setting(
        "NATS_USER_CREDS_FILE",
        CREDENTIALS_FILE,
        "Credentials (.creds) of the service's own NATS user; not together with NATS_TOKEN.",
        required="in operator mode",
        go=True,
        file=File(private=True, for_workers=True),
    ),
    Setting(
        "NATS_TOKEN",
        TOKEN,
        "Token of the service's own NATS user; not together with NATS_USER_CREDS_FILE.",
        secret=True,
        go=True,
    ),
    Setting(
        "NATS_MODE",
        one_of({mode.value: mode for mode in Mode}, "server or operator"),
        "Where the NATS server knows its accounts from: its own configuration, or an operator's JWTs.",
        default="server",
    ),
    Setting(
        "NATS_ACCOUNT",
        ACCOUNT,
        "The account that clients are placed in.",
        required="always",
        go=True,
    ),
    Setting(
        "NATS_SIGNING_KEY_FILE",
        ACCOUNT_SEED_FILE,
        "The key that signs the answers: the one of the server's auth_callout issuer; in operator mode the one of the "
        "callout's own account (or a signing key of it), which signs their envelope alone.",
        required="always",
        go=True,
        file=File(private=True, seed=Kind.ACCOUNT, for_workers=True),
    ),
    Setting(
        "NATS_ACCOUNT_SIGNING_KEY_FILE",
        ACCOUNT_SEED_FILE,
        "The key of NATS_ACCOUNT, or a signing key of it: signs the user JWT of each client. In operator mode only.",
        required="in operator mode",
        file=File(private=True, seed=Kind.ACCOUNT, for_workers=True),
    ),
    Setting(
        "NATS_XKEY_FILE",
        CURVE_SEED_FILE,
        "The curve key that requests are encrypted for; plain requests are then refused.",
        file=File(private=True, seed=Kind.CURVE, for_workers=True),
    ),
    Setting(
        "NATS_WORKERS",
        whole_number(1, MAX_WORKERS),
        "How many worker processes answer requests.",
        default_note="the CPUs that the container may use",
    ),
    Setting(
        "NATS_USER_TTL",
        duration(MIN_USER_TTL, MAX_USER_TTL),
        "The longest that a login lasts; it ends at most 60 s after the client's token.",
        default="1h",
    ),
    Setting(
        "NATS_USER_TTL_JITTER",
        number(0, MAX_JITTER),
        "The largest share of a login's time that is cut off at random, so that clients do not all come back at once.",
        default="0.2",
    ),
    Setting(
        "NATS_USER_NAME",
        BOOLEAN,
        "Name connections <namespace>:<serviceaccount>; a named user is dropped when the server reloads its "
        "configuration.",
        default="false",
    ),
    Setting(
        "NATS_SHARED_INBOX",
        BOOLEAN,
        "Let clients subscribe to _INBOX.>, which they share, beside their private inbox.",
        default="true",
    ),
    Setting(
        "NATS_RESPONSE_MAX",
        Form(f"{_RESPONSES.gives}, or -1 for any number", parse_response_max),
        "How many messages a client may send in reply to a request; 0 for none, see docs/permissions.md.",
        default="1",
    ),
    Setting(
        "NATS_RESPONSE_TTL",
        duration(MIN_RESPONSE_TTL, MAX_RESPONSE_TTL),
        "For how long a client may reply to a request.",
        default="2m",
    ),
    Setting(
        "NATS_STREAM_ADMIN",
        BOOLEAN,
        "Whether annotations may grant administering JetStream streams: reading everything, deleting others' streams.",
        default="false",
    ),
    Setting("NATS_CEILING_FILE", FILE, "The administrator's limit to what annotations may allow.", file=File()),
    Setting(
        "NATS_TLS_CA_FILE",
        FILE,
        "Certificates (PEM) to trust NATS servers by, instead of the system's.",
        file=File(for_workers=True),
    ),
    Setting(
        "NATS_TLS_CERT_FILE",
        FILE,
        "Client certificate (PEM) for NATS; goes with NATS_TLS_KEY_FILE.",
        file=File(for_workers=True),
    ),
    Setting(
        "NATS_TLS_KEY_FILE",
        FILE,
        "Private key (PEM, no passphrase) of NATS_TLS_CERT_FILE.",
        file=File(private=True, for_workers=True),
    ),
    Setting(
        "JWKS_URL",
        WEB_ADDRESS,
        "Where to fetch the keys that tokens are verified with; not together with JWKS_PATH.",
        default_note="the API server's",
        go=True,
    ),
    Setting(
        "JWKS_PATH",
        FILE,
        "File with the keys that tokens are verified with; not together with JWKS_URL.",
        go=True,
        file=File(),
    ),
    Setting(
        "JWT_ISSUER",
        WORDS,
        "Who issues the tokens (their iss).",
        default_note="otherwise asked of the API server",
        required="with SERVICEACCOUNTS_PATH",
        go=True,
        source="kubectl get --raw /.well-known/openid-configuration",
    ),
    Setting("JWT_AUDIENCE", WORDS, "Whom the tokens are meant for (their aud).", default="nats", go=True),
    Setting(
        "SA_ANNOTATION_PREFIX",
        ANNOTATION_PREFIX,
        "What stands before allowed-pub-subjects and allowed-sub-subjects in annotations.",
        default="nats.io/",
        go=True,
    ),
    Setting("K8S_IN_CLUSTER", BOOLEAN, "Whether the service runs in the cluster it serves.", default="true", go=True),
    Setting(
        "K8S_NAMESPACE",
        NAMESPACE,
        "Serve the ServiceAccounts of this namespace alone.",
        default_note="all namespaces",
        go=True,
    ),
    Setting(
        "KUBECONFIG",
        FILES,
        "How to reach the API server when K8S_IN_CLUSTER is false.",
        default_note="~/.kube/config",
        go=True,
    ),
    Setting(
        "SERVICEACCOUNTS_PATH",
        FILE_OR_FOLDER,
        "Read ServiceAccounts from YAML here instead of from the API server, which is then not used at all.",
        file=File(),
    ),
    Setting(
        "SNAPSHOT_DIR",
        FOLDER,
        "Folder in memory (tmpfs) for the snapshot that the workers read; the service's alone.",
        default_note="a fresh one under /dev/shm",
    ),
    Setting(
        "LOG_LEVEL",
        one_of(_LEVELS, "debug, info, warning or error"),
        "The least important lines that are logged.",
        default="info",
        go=True,
    ),
    Setting(
        "PORT",
        whole_number(0, MAX_PORT),
        "Port of the pages /livez, /readyz, /health and /metrics; 0 takes any that is free.",
        default="8080",
        go=True,
    ),
    Setting("HTTP_HOST", HOST, "Address that these pages are served on.", default_note="all addresses"),
    Setting(
        "DRAIN_TIMEOUT",
        duration(MIN_DRAIN, MAX_DRAIN),
        "How long requests in flight may take when the service is stopped.",
        default="10s",
    ),
)
"""All settings, in the order in which they are documented."""


def list_files(settings: Settings) -> list[tuple[Setting, File, Path]]:
    """List the files that the settings name, each with its row of the table."""
    named = ((setting, setting.file, getattr(settings, setting.field)) for setting in TABLE)
    return [(setting, file, path) for setting, file, path in named if file is not None and path is not None]


ALIASES = {"NATS_CREDS_FILE": "NATS_USER_CREDS_FILE"}
"""Names that older versions of the Go service used, and what they are called now."""

IGNORED = {"CACHE_CLEANUP_INTERVAL": "the snapshot follows the API server and is never cleaned up"}
"""Settings of the Go service that mean nothing here, and why."""
