"""The settings: one table, read as documented, and every mistake one line that says what to do."""

import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.config.loading import ConfigError, describe, load, markdown_table, show
from callout.config.table import ALIASES, IGNORED, MAX_WORKERS, TABLE, Settings
from callout.secret import Secret
from tests.nats_minting import NatsKey
from workers.user_jwt import Mode

MODERATE = settings(max_examples=200, deadline=None)
ACCOUNT = NatsKey.generate("account")

# What is needed at the least, in a pod; a row of a test states only what differs.
POD = {
    "NATS_ACCOUNT": "APP",
    "NATS_SIGNING_KEY_FILE": "/etc/nats/signing.key",
    "KUBERNETES_SERVICE_HOST": "10.0.0.1",
}
OPERATOR = POD | {
    "NATS_MODE": "operator",
    "NATS_ACCOUNT": ACCOUNT.public,
    "NATS_ACCOUNT_SIGNING_KEY_FILE": "/etc/nats/account.key",
    "NATS_USER_CREDS_FILE": "/etc/nats/user.creds",
}
YAML = POD | {"SERVICEACCOUNTS_PATH": "/accounts", "JWKS_PATH": "/jwks.json", "JWT_ISSUER": "https://issuer"}


def read(environ: Mapping[str, str]) -> Settings:
    """Load settings that deserve no warning."""
    loaded, warnings = load(environ, lambda: 4)
    assert warnings == []
    return loaded


def refuse(environ: Mapping[str, str]) -> list[str]:
    """Return the lines that an environment is refused with."""
    with pytest.raises(ConfigError) as caught:
        load(environ, lambda: 4)
    assert all(len(line.splitlines()) == 1 for line in caught.value.lines)
    assert caught.value.exit_code == 2
    return list(caught.value.lines)


def test_a_pod_needs_two_settings() -> None:
    """Everything else has a default."""
    assert Settings(
        nats_url=Secret("nats://nats:4222"),
        nats_user_creds_file=None,
        nats_token=None,
        nats_mode=Mode.SERVER,
        nats_account="APP",
        nats_signing_key_file=Path("/etc/nats/signing.key"),
        nats_account_signing_key_file=None,
        nats_xkey_file=None,
        nats_workers=4,
        nats_user_ttl=3600,
        nats_user_ttl_jitter=0.2,
        nats_user_name=False,
        nats_shared_inbox=True,
        nats_response_max=1,
        nats_response_ttl=120,
        nats_stream_admin=False,
        nats_ceiling_file=None,
        nats_tls_ca_file=None,
        nats_tls_cert_file=None,
        nats_tls_key_file=None,
        jwks_url=None,
        jwks_path=None,
        jwt_issuer=(),
        jwt_audience=("nats",),
        sa_annotation_prefix="nats.io/",
        k8s_in_cluster=True,
        k8s_namespace=None,
        kubeconfig=None,
        serviceaccounts_path=None,
        snapshot_dir=None,
        log_level="info",
        port=8080,
        http_host=None,
        drain_timeout=10,
    ) == read(POD)


def test_every_setting_can_be_given() -> None:
    """Each variable reaches its attribute."""
    environ = OPERATOR | {
        "NATS_URL": "tls://user:hunter2@nats:4222",
        "NATS_XKEY_FILE": "/xkey",
        "NATS_WORKERS": "3",
        "NATS_USER_TTL": "15m",
        "NATS_USER_TTL_JITTER": "0.5",
        "NATS_USER_NAME": "yes",
        "NATS_SHARED_INBOX": "0",
        "NATS_RESPONSE_MAX": "-1",
        "NATS_RESPONSE_TTL": "300ms",
        "NATS_STREAM_ADMIN": "true",
        "NATS_CEILING_FILE": "/ceiling.yaml",
        "NATS_TLS_CA_FILE": "/ca.pem",
        "NATS_TLS_CERT_FILE": "/cert.pem",
        "NATS_TLS_KEY_FILE": "/key.pem",
        "JWKS_URL": "https://issuer/keys",
        "JWT_ISSUER": "https://a, https://b",
        "JWT_AUDIENCE": "nats,jetstream",
        "SA_ANNOTATION_PREFIX": "example.com/",
        "K8S_IN_CLUSTER": "false",
        "K8S_NAMESPACE": "orders",
        "KUBECONFIG": "/a:/b",
        "SNAPSHOT_DIR": "/dev/shm/callout",
        "LOG_LEVEL": "WARN",
        "PORT": "0",
        "HTTP_HOST": "[::1]",
        "DRAIN_TIMEOUT": "30",
    }
    loaded, _ = load(environ)
    expected = {
        "nats_url": Secret("tls://user:hunter2@nats:4222"),
        "nats_user_creds_file": Path("/etc/nats/user.creds"),
        "nats_mode": Mode.OPERATOR,
        "nats_account": ACCOUNT.public,
        "nats_account_signing_key_file": Path("/etc/nats/account.key"),
        "nats_xkey_file": Path("/xkey"),
        "nats_workers": 3,
        "nats_user_ttl": 900,
        "nats_user_ttl_jitter": 0.5,
        "nats_user_name": True,
        "nats_shared_inbox": False,
        "nats_response_max": -1,
        "nats_response_ttl": 0.3,
        "nats_stream_admin": True,
        "nats_ceiling_file": Path("/ceiling.yaml"),
        "nats_tls_ca_file": Path("/ca.pem"),
        "nats_tls_cert_file": Path("/cert.pem"),
        "nats_tls_key_file": Path("/key.pem"),
        "jwks_url": "https://issuer/keys",
        "jwt_issuer": ("https://a", "https://b"),
        "jwt_audience": ("nats", "jetstream"),
        "sa_annotation_prefix": "example.com/",
        "k8s_in_cluster": False,
        "k8s_namespace": "orders",
        "kubeconfig": "/a:/b",
        "snapshot_dir": Path("/dev/shm/callout"),
        "log_level": "warning",
        "port": 0,
        "http_host": "::1",
        "drain_timeout": 30,
    }
    assert expected == {name: getattr(loaded, name) for name in expected}


def test_the_table_and_the_settings_have_the_same_names() -> None:
    """A setting without a row, or a row without a setting, could not be."""
    assert Settings.__struct_fields__ == tuple(setting.field for setting in TABLE)


@pytest.mark.parametrize("environ", [POD, OPERATOR, YAML])
def test_every_value_has_the_type_that_is_declared(environ: dict[str, str]) -> None:
    """The table's parsers are trusted to make what the struct says."""
    loaded = read(environ)
    for name, declared in get_type_hints(Settings).items():
        kinds = tuple(getattr(kind, "__origin__", kind) for kind in get_args(declared) or (declared,))
        if declared == tuple[str, ...]:
            kinds = (tuple,)
        assert isinstance(getattr(loaded, name), kinds), name


def test_the_number_of_workers_is_bounded_by_itself() -> None:
    """A machine of a thousand cores gets as many workers as may be asked for."""
    loaded, _ = load(POD, lambda: 1000)
    assert loaded.nats_workers == MAX_WORKERS


def test_an_empty_value_is_as_good_as_none() -> None:
    """As in the Go service; and white space around a value does not count."""
    environ = {setting.name: "" for setting in TABLE} | POD | {"PORT": "  ", "NATS_TOKEN": " s3cr3t\n"}
    loaded = read(environ)
    assert loaded.port == 8080
    assert Secret("s3cr3t") == loaded.nats_token


# The Go service


def test_the_environment_of_the_go_service_works() -> None:
    """A user of it changes the image and nothing else: its compose file, with a local kubeconfig and key set."""
    loaded = read(
        {
            "NATS_URL": "nats://auth-service:auth-password@nats:4222",
            "NATS_SIGNING_KEY_FILE": "/etc/nats/signing.key",
            "NATS_ACCOUNT": "AUTH_ACCOUNT",
            "JWKS_PATH": "/etc/kubernetes/jwks.json",
            "JWT_ISSUER": "https://kubernetes.default.svc.cluster.local",
            "JWT_AUDIENCE": "nats",
            "K8S_IN_CLUSTER": "false",
            "KUBECONFIG": "/etc/kubernetes/kubeconfig",
            "LOG_LEVEL": "debug",
        }
    )
    assert Path("/etc/kubernetes/jwks.json") == loaded.jwks_path
    assert loaded.jwt_issuer == ("https://kubernetes.default.svc.cluster.local",)
    assert loaded.kubeconfig == "/etc/kubernetes/kubeconfig"


def test_all_of_the_go_services_settings_are_taken() -> None:
    """In a cluster, with everything it documents set; what has no meaning here is warned of, and so is an old name."""
    loaded, warnings = load(
        {
            "KUBERNETES_SERVICE_HOST": "10.0.0.1",
            "PORT": "8080",
            "NATS_URL": "nats://nats:4222",
            "NATS_CREDS_FILE": "/etc/nats/user.creds",
            "NATS_SIGNING_KEY_FILE": "/etc/nats/signing.key",
            "NATS_ACCOUNT": "AUTH_ACCOUNT",
            "JWKS_URL": "https://kubernetes.default.svc/openid/v1/jwks",
            "JWT_ISSUER": "https://kubernetes.default.svc",
            "JWT_AUDIENCE": "nats",
            "SA_ANNOTATION_PREFIX": "nats.io/",
            "CACHE_CLEANUP_INTERVAL": "15m",
            "K8S_IN_CLUSTER": "true",
            "K8S_NAMESPACE": "",
            "LOG_LEVEL": "warn",
        }
    )
    assert Path("/etc/nats/user.creds") == loaded.nats_user_creds_file
    assert warnings == [
        "NATS_CREDS_FILE: is the old name of NATS_USER_CREDS_FILE; it is taken for that",
        "CACHE_CLEANUP_INTERVAL: is ignored, the snapshot follows the API server and is never cleaned up; remove it",
    ]


def test_the_new_name_wins_over_the_old_one() -> None:
    """Both at once happens in the middle of a migration."""
    loaded, warnings = load(POD | {"NATS_CREDS_FILE": "/old", "NATS_USER_CREDS_FILE": "/new"})
    assert Path("/new") == loaded.nats_user_creds_file
    assert warnings == ["NATS_CREDS_FILE: is the old name of NATS_USER_CREDS_FILE; both are set, and it is ignored"]


# Mistakes


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"PORT": "invalid"}, "PORT: 'invalid' is not right; give a whole number from 0 to 65535"),
        ({"PORT": "65536"}, "PORT: '65536' is too large; give a whole number from 0 to 65535"),
        ({"NATS_WORKERS": "0"}, "NATS_WORKERS: '0' is too small; give a whole number from 1 to 256"),
        (
            {"NATS_RESPONSE_MAX": "-2"},
            "NATS_RESPONSE_MAX: '-2' is too small; give a whole number from 0 to 1000000, or -1 for any number",
        ),
        (
            {"NATS_RESPONSE_TTL": "0"},
            (
                "NATS_RESPONSE_TTL: '0' is too small; give a duration from 1ms to 24h, such as 90s, 15m or 1h30m; "
                "a plain number is seconds"
            ),
        ),
        ({"NATS_USER_TTL_JITTER": "1"}, "NATS_USER_TTL_JITTER: '1' is too large; give a number from 0 to 0.9"),
        (
            {"K8S_IN_CLUSTER": "maybe"},
            "K8S_IN_CLUSTER: 'maybe' is not right; give true or false (or 1, 0, yes, no, on, off)",
        ),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL: 'loud' is not right; give debug, info, warning or error"),
        ({"NATS_MODE": "guess"}, "NATS_MODE: 'guess' is not right; give server or operator"),
        ({"NATS_URL": "http://nats"}, "NATS_URL: the value has a scheme that is none of nats, tls, ws and wss"),
        (
            {"NATS_ACCOUNT": ""},
            (
                "NATS_ACCOUNT: is required, but not set; give the name of an account, or in operator mode its public "
                "key (A…)"
            ),
        ),
        (
            {"NATS_SIGNING_KEY_FILE": ""},
            (
                "NATS_SIGNING_KEY_FILE: is required, but not set; give the path of a file that holds the seed of an "
                "account (SA…)"
            ),
        ),
        (
            {"NATS_TOKEN": "s3cr3t", "NATS_USER_CREDS_FILE": "/creds"},
            "NATS_USER_CREDS_FILE: is set together with NATS_TOKEN; keep one of them",
        ),
        (
            {"JWKS_URL": "https://issuer/keys", "JWKS_PATH": "/jwks.json"},
            "JWKS_URL: is set together with JWKS_PATH; keep one of them",
        ),
        (
            {"NATS_TLS_CERT_FILE": "/cert"},
            "NATS_TLS_KEY_FILE: is not set, but NATS_TLS_CERT_FILE is; set both or none of them",
        ),
        (
            {"NATS_TLS_KEY_FILE": "/key"},
            "NATS_TLS_CERT_FILE: is not set, but NATS_TLS_KEY_FILE is; set both or none of them",
        ),
        (
            {"NATS_ACCOUNT_SIGNING_KEY_FILE": "/key"},
            (
                "NATS_ACCOUNT_SIGNING_KEY_FILE: has no meaning in server mode, where NATS_SIGNING_KEY_FILE signs all; "
                "remove it, or set NATS_MODE=operator"
            ),
        ),
    ],
)
def test_a_mistake_is_one_line_that_says_what_is_right(changes: dict[str, str], line: str) -> None:
    """The variable's name, what was wrong, what is right."""
    lines = refuse(POD | changes)
    assert len(lines) == 1
    assert lines[0].startswith(line)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"NATS_ACCOUNT_SIGNING_KEY_FILE": ""},
            (
                "NATS_ACCOUNT_SIGNING_KEY_FILE: is required in operator mode, but not set; give the path of a file "
                "that holds the seed of an account (SA…)"
            ),
        ),
        (
            {"NATS_USER_CREDS_FILE": ""},
            (
                "NATS_USER_CREDS_FILE: is required in operator mode, but not set; give the path of a file as 'nsc "
                "generate creds' writes it"
            ),
        ),
        (
            {"NATS_ACCOUNT": "AUTH_ACCOUNT"},
            (
                "NATS_ACCOUNT: 'AUTH_ACCOUNT' is no valid public key of an account; in operator mode give the key (A… "
                "and 55 more characters) that 'nsc describe account' shows"
            ),
        ),
    ],
)
def test_operator_mode_has_needs_of_its_own(changes: dict[str, str], line: str) -> None:
    """Keys instead of names, two signing keys, and credentials, since an operator's server knows no other login."""
    assert [line] == refuse(OPERATOR | changes)


@pytest.mark.parametrize("account", [ACCOUNT.public[:-1] + "7", NatsKey.generate("user").public, ACCOUNT.public[:-1]])
def test_an_account_key_has_to_be_one(account: str) -> None:
    """A slip of the pen, or a user's key, is found before a client is refused for it."""
    if account != ACCOUNT.public:
        assert "is no valid public key of an account" in refuse(OPERATOR | {"NATS_ACCOUNT": account})[0]


@pytest.mark.parametrize(
    ("changes", "name"),
    [({"JWKS_PATH": ""}, "JWKS_PATH"), ({"JWT_ISSUER": ""}, "JWT_ISSUER")],
)
def test_without_an_api_server_keys_and_issuer_have_to_be_given(changes: dict[str, str], name: str) -> None:
    """With ServiceAccounts from files there is nobody to ask."""
    lines = refuse(YAML | changes)
    assert [name] == [line.partition(":")[0] for line in lines]


@pytest.mark.parametrize("changes", [{"JWKS_PATH": "/jwks.json"}, {"JWKS_URL": "https://issuer/keys"}])
def test_the_issuer_can_be_asked_of_the_api_server(changes: dict[str, str]) -> None:
    """Wherever the keys come from, the API server says its issuer."""
    assert read(POD | changes).jwt_issuer == ()


def test_all_mistakes_are_said_at_once() -> None:
    """Nobody should have to start a service five times to hear of five mistakes."""
    lines = refuse({"PORT": "x", "NATS_WORKERS": "x", "NATS_MODE": "x", "KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    assert [line.partition(":")[0] for line in lines] == [
        "NATS_MODE",
        "NATS_WORKERS",
        "PORT",
        "NATS_ACCOUNT",
        "NATS_SIGNING_KEY_FILE",
    ]


def test_an_error_carries_the_warnings_that_may_explain_it() -> None:
    """A required name is missing, because it is misspelt."""
    with pytest.raises(ConfigError) as caught:
        load({"NATS_ACOUNT": "APP", "NATS_SIGNING_KEY_FILE": "/key"})
    assert caught.value.warnings == ("NATS_ACOUNT: is no setting of this service; was NATS_ACCOUNT meant?",)


@MODERATE
@given(st.sampled_from([setting.name for setting in TABLE]), st.text(alphabet=st.characters(exclude_characters="\0")))
def test_any_value_is_taken_or_refused_in_one_line(name: str, text: str) -> None:
    """Whatever stands in the environment, settings or a ConfigError with one line for each mistake come out."""
    environ = POD | {name: text}
    try:
        load(environ, lambda: 1)
    except ConfigError:
        assert all(line.partition(":")[0].isupper() for line in refuse(environ))


@MODERATE
@given(st.sampled_from(TABLE), st.sampled_from(["", "/tmp/", "x ", "https://h/?k="]))
def test_a_seed_in_any_setting_is_never_shown(setting: Any, prefix: str) -> None:
    """The content of a key file instead of its path is the likeliest mistake of all."""
    seed = ACCOUNT.seed
    environ = OPERATOR | {setting.name: prefix + seed}
    try:
        loaded, warnings = load(environ)
        shown = repr(loaded) + str(show(loaded)) + str(warnings)
    except ConfigError as error:
        shown = "".join(traceback.format_exception(error)) + str(error.warnings)
    assert seed not in shown


# Warnings


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"NATS_ACCOUNT": ACCOUNT.public}, "NATS_ACCOUNT: looks like a public key, but in server mode"),
        (
            {"NATS_URL": "nats://u:p@nats", "NATS_TOKEN": "t"},
            "NATS_URL: names a user, and NATS_TOKEN or NATS_USER_CREDS_FILE",
        ),
        (
            {"SA_ANNOTATION_PREFIX": "nats.io"},
            "SA_ANNOTATION_PREFIX: has no slash, so annotations are called nats.ioallowed",
        ),
        ({"KUBERNETES_SERVICE_HOST": ""}, "K8S_IN_CLUSTER: is true, but KUBERNETES_SERVICE_HOST is not set"),
        ({"NATS_WORKRES": "4"}, "NATS_WORKRES: is no setting of this service; was NATS_WORKERS meant?"),
        ({"NATS_ZZZZZZZZZ": "4"}, "NATS_ZZZZZZZZZ: is no setting of this service; 'callout config --help' lists"),
        ({"LOGLEVEL": "debug"}, "LOGLEVEL: is no setting of this service; was LOG_LEVEL meant?"),
    ],
)
def test_what_is_probably_not_meant_is_warned_of(changes: dict[str, str], warning: str) -> None:
    """Valid, but likely a mistake: the service starts, and says so."""
    _, warnings = load(POD | changes)
    assert len(warnings) == 1
    assert warnings[0].startswith(warning)


def test_the_variables_of_services_are_not_warned_of() -> None:
    """Kubernetes describes a Service called nats in a dozen variables that begin like ours."""
    read(
        POD
        | {
            "NATS_SERVICE_HOST": "10.0.0.2",
            "NATS_SERVICE_PORT": "4222",
            "NATS_PORT": "tcp://10.0.0.2:4222",
            "NATS_PORT_4222_TCP": "tcp://10.0.0.2:4222",
            "NATS_PORT_4222_TCP_PROTO": "tcp",
            "NATS_PORT_4222_TCP_PORT": "4222",
            "NATS_PORT_4222_TCP_ADDR": "10.0.0.2",
            "K8S_API_SERVICE_PORT_HTTPS": "443",
        }
    )


# Presentation


@pytest.mark.parametrize("page", [describe(), markdown_table()])
def test_every_name_is_documented(page: str) -> None:
    """Help and README's table hold each setting, old name and ignored name."""
    for name in [*(setting.name for setting in TABLE), *ALIASES, *IGNORED]:
        assert name in page


def test_the_markdown_table_has_as_many_cells_in_each_row() -> None:
    """A stray bar would break the README's table."""
    rows = markdown_table().splitlines()
    assert {5} == {row.replace("\\|", "").count("|") for row in rows}


@pytest.mark.parametrize(
    "environ", [POD, OPERATOR, YAML | {"PORT": "0", "NATS_RESPONSE_MAX": "-1", "DRAIN_TIMEOUT": "1.5s"}]
)
def test_what_is_shown_can_be_set(environ: dict[str, str]) -> None:
    """The settings in force, set as they are shown, are the same settings."""
    loaded = read(environ)
    assert loaded == read(show(loaded) | {"KUBERNETES_SERVICE_HOST": "10.0.0.1"})


def test_the_settings_are_shown_without_secrets() -> None:
    """Neither the token nor the password is seen, wherever settings are printed."""
    loaded, _ = load(POD | {"NATS_URL": "nats://user:hunter2@nats:4222", "NATS_TOKEN": "s3cr3t"})
    assert show(loaded)["NATS_URL"] == "nats://***@nats:4222"
    assert show(loaded)["NATS_TOKEN"] == "***"
    for secret in ("hunter2", "s3cr3t", "user:"):
        assert secret not in repr(loaded)
        assert secret not in str(show(loaded))


@MODERATE
@given(
    st.text(alphabet=st.characters(exclude_characters="\0"), max_size=20), st.sampled_from(["NATS_URL", "NATS_TOKEN"])
)
def test_no_message_shows_a_password(password: str, name: str) -> None:
    """Taken or refused, a password stays inside."""
    mark = f"Zq7{password}"
    text = f"nats://user:{mark}@nats" if name == "NATS_URL" else mark
    try:
        loaded, warnings = load(POD | {name: text, "NATS_USER_CREDS_FILE": "/creds", "NATS_ACOUNT": "x"})
        shown = repr(loaded) + str(show(loaded)) + str(warnings)
    except ConfigError as error:
        shown = "".join(traceback.format_exception(error)) + str(error.warnings)
    assert "Zq7" not in shown
