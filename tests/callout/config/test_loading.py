"""The settings: an environment is read as documented, that of the Go service too."""

from pathlib import Path

import pytest

from callout.config.loading import ConfigError, load
from callout.config.table import MAX_WORKERS, TABLE, Settings
from callout.secret import Secret
from tests.callout.config.samples import ACCOUNT, OPERATOR, POD, YAML, read
from workers.user_jwt import Mode


def test_a_pod_needs_three_settings() -> None:
    """Everything else has a default."""
    assert Settings(
        nats_url=Secret(POD["NATS_URL"]),
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


def test_the_number_of_workers_is_bounded_by_itself() -> None:
    """A machine of a thousand cores gets as many workers as may be asked for."""
    loaded, _ = load(POD, lambda: 1000)
    assert loaded.nats_workers == MAX_WORKERS


def test_an_empty_value_is_as_good_as_none() -> None:
    """As in the Go service; and white space around a value does not count."""
    environ = {setting.name: "" for setting in TABLE} | POD | {"NATS_URL": "", "PORT": "  ", "NATS_TOKEN": " s3cr3t\n"}
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
    loaded, warnings = load(POD | {"NATS_URL": "", "NATS_CREDS_FILE": "/old", "NATS_USER_CREDS_FILE": "/new"})
    assert Path("/new") == loaded.nats_user_creds_file
    assert warnings == ["NATS_CREDS_FILE: is the old name of NATS_USER_CREDS_FILE; both are set, and it is ignored"]


# What is not used


def test_what_is_not_used_need_not_be_set() -> None:
    """And counts as not set, right or wrong: it has no part in what the caller does."""
    used = {"NATS_MODE", "SERVICEACCOUNTS_PATH", "NATS_USER_TTL"}
    environ = {"SERVICEACCOUNTS_PATH": "/accounts", "NATS_USER_TTL": "90s", "PORT": "x", "NATS_TOKEN": "t"}
    loaded, warnings = load(environ, used=used)
    assert [] == warnings
    assert (Path("/accounts"), 90, 8080, None, "") == (
        loaded.serviceaccounts_path,
        loaded.nats_user_ttl,
        loaded.port,
        loaded.nats_token,
        loaded.nats_account,
    )


@pytest.mark.parametrize("missing", ["JWT_ISSUER", "JWKS_PATH"])
def test_what_is_used_has_to_be_set(missing: str) -> None:
    """Whoever verifies tokens needs keys and issuer, and signs nothing."""
    environ = {name: text for name, text in YAML.items() if name not in (missing, "NATS_SIGNING_KEY_FILE")}
    with pytest.raises(ConfigError) as caught:
        load(environ, used={"SERVICEACCOUNTS_PATH", "JWT_ISSUER", "JWKS_PATH", "JWKS_URL"})
    assert [missing] == [line.partition(":")[0] for line in caught.value.lines]


def test_who_issues_tokens_is_told_with_who_knows_it() -> None:
    """It differs per cluster, and has to be exact."""
    with pytest.raises(ConfigError) as caught:
        load({name: text for name, text in YAML.items() if name != "JWT_ISSUER"})
    (line,) = caught.value.lines
    assert line.endswith(", as 'kubectl get --raw /.well-known/openid-configuration' tells")
