"""Names that look like settings: misspelt ones are found, Kubernetes' own are left in peace."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.config.spelling import PREFIXES, find_strangers
from callout.config.table import TABLE

KNOWN = frozenset(setting.name for setting in TABLE)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("NATS_ACOUNT", "NATS_ACCOUNT"),
        ("NATS_WORKER", "NATS_WORKERS"),
        ("nats_url", "NATS_URL"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("LOG_LEVL", "LOG_LEVEL"),
        ("SERVICE_ACCOUNTS_PATH", "SERVICEACCOUNTS_PATH"),
        ("KUBE_CONFIG", "KUBECONFIG"),
        ("JWT_AUDIENCES", "JWT_AUDIENCE"),
        ("NATS_ZZZZZZZZZZZZZZZ", None),
    ],
)
def test_a_misspelt_name_is_found(name: str, meant: str | None) -> None:
    """What begins like ours, or is a letter or two off, is pointed out with what was probably meant."""
    assert [(name, meant)] == find_strangers([name], KNOWN)


@pytest.mark.parametrize(
    "name",
    [
        "NATS_SERVICE_HOST",
        "NATS_SERVICE_PORT",
        "NATS_SERVICE_PORT_CLIENT",
        "NATS_PORT",
        "NATS_PORT_4222_TCP",
        "NATS_PORT_4222_TCP_ADDR",
        "NATS_PORT_4222_TCP_PORT",
        "NATS_PORT_4222_TCP_PROTO",
        "NATS_HEADLESS_SERVICE_HOST",
        "K8S_DASHBOARD_PORT_443_TCP",
        "JWT_SERVICE_SERVICE_HOST",
        "KUBERNETES_SERVICE_PORT_HTTPS",
    ],
)
def test_the_variables_of_a_kubernetes_service_are_no_settings(name: str) -> None:
    """Kubernetes puts them into every pod of the namespace; a warning for each would bury the real ones."""
    assert find_strangers([name], KNOWN) == []


@pytest.mark.parametrize(
    "name", ["PATH", "HOME", "HOSTNAME", "HTTP_PROXY", "HTTP_PORT", "LANG", "TERM", "PWD", "SHLVL"]
)
def test_the_variables_of_others_are_left_alone(name: str) -> None:
    """An environment is full of names that have nothing to do with this service."""
    assert find_strangers([name], KNOWN) == []


def test_our_own_names_are_no_strangers() -> None:
    """Settings are not warned of."""
    assert find_strangers(KNOWN, KNOWN) == []


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PREFIXES), st.text(alphabet="ABCDEFGHIJ_", min_size=1, max_size=12))
def test_whatever_begins_like_a_setting_is_pointed_out(prefix: str, rest: str) -> None:
    """No name with one of our prefixes is ignored in silence, unless it is a Service's."""
    name = prefix + rest
    if name not in KNOWN and "_PORT" not in name and "_HOST" not in name:
        assert [name] == [stranger for stranger, _ in find_strangers([name], KNOWN)]
