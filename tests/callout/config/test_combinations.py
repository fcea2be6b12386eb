"""What settings mean to each other: which are needed when, and which are probably not meant."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.config.combinations import EXCLUSIVE, TOGETHER, check_together, is_required, warn_of_names
from callout.config.loading import load
from callout.config.spelling import CLIENTS
from callout.config.table import ALIASES, IGNORED, TABLE
from tests.callout.config.samples import ACCOUNT, MODERATE, OPERATOR, POD, YAML, read, refuse
from tests.nats_minting import NatsKey
from tests.pages import ROOT
from workers.user_jwt import Mode


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
                "generate creds' or 'callout bootstrap' writes it"
            ),
        ),
        (
            {"NATS_ACCOUNT": "AUTH_ACCOUNT"},
            (
                "NATS_ACCOUNT: 'AUTH_ACCOUNT' is no valid public key of an account; in operator mode give the key (A… "
                "and 55 more characters) that 'nsc describe account' shows, or NATS_ACCOUNT in the callout.env of "
                "'callout bootstrap'"
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


@pytest.mark.parametrize(
    ("required", "values", "needed"),
    [
        ("", {}, False),
        ("always", {}, True),
        ("in operator mode", {"nats_mode": Mode.OPERATOR}, True),
        ("in operator mode", {"nats_mode": Mode.SERVER}, False),
        ("in operator mode", {}, False),
        ("with SERVICEACCOUNTS_PATH", {"serviceaccounts_path": "/accounts"}, True),
        ("with SERVICEACCOUNTS_PATH", {"serviceaccounts_path": None}, False),
    ],
)
def test_what_is_required_depends_on_the_rest(required: str, values: dict[str, object], needed: bool) -> None:
    """A mode that was wrong by itself asks for nothing more."""
    assert needed is is_required(required, values)  # type: ignore[arg-type]  # a row of the table is a plain text


def test_every_case_in_which_a_setting_is_required_comes_true() -> None:
    """A case that is misspelt in the table would never ask for anything."""
    values = {"nats_mode": Mode.OPERATOR, "serviceaccounts_path": "/accounts"}
    assert all(is_required(setting.required, values) for setting in TABLE if setting.required)


@MODERATE
@given(st.sets(st.sampled_from(sorted({*TOGETHER, *(name for pair in EXCLUSIVE for name in pair)}))))
def test_pairs_are_complained_of_when_they_are_wrong(given_names: set[str]) -> None:
    """Whatever is set: one line for each pair that excludes itself, and for each half that lacks the other."""
    names = {*TOGETHER, *(name for pair in EXCLUSIVE for name in pair)}
    lines = check_together({name: "x" if name in given_names else None for name in names})
    exclusive = sum(set(pair) <= given_names for pair in EXCLUSIVE)
    half = len(given_names & set(TOGETHER)) == 1
    assert exclusive + half == len(lines)


def test_names_that_are_known_are_not_warned_of() -> None:
    """Neither settings nor what is no business of ours; old and ignored names have warnings of their own."""
    known = {setting.name for setting in TABLE}
    assert [] == warn_of_names({*known, "PATH", "HOME"}, known, ALIASES, IGNORED)
    assert len(ALIASES) + len(IGNORED) == len(warn_of_names({*ALIASES, *IGNORED}, known, ALIASES, IGNORED))


@pytest.mark.parametrize("name", CLIENTS)
def test_a_name_of_clients_is_taken_for_no_slip(name: str) -> None:
    """Whoever tries a client in the same terminal has misspelt nothing; what has its meaning here is named."""
    known = {setting.name for setting in TABLE}
    [line] = warn_of_names({name}, known, ALIASES, IGNORED)
    assert line.startswith(f"{name}: is for clients, and no setting of this service")
    assert CLIENTS[name] in line
    assert CLIENTS[name] in known | {""}


def test_the_names_of_the_examples_for_clients_are_known() -> None:
    """Settings, or names of clients: none is called a slip."""
    read = {
        name
        for path in (ROOT / "k8s/examples/clients").rglob("*")
        if path.suffix in {".py", ".go", ".mjs"} and "node_modules" not in path.parts
        for name in re.findall(r"NATS_[A-Z_]+", path.read_text())
    }
    assert {"NATS_TOKEN_FILE", "NATS_SENTINEL_CREDS", "NATS_INBOX_PREFIX"} <= read
    assert set() == read - CLIENTS.keys() - {setting.name for setting in TABLE}


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
        (
            {"NATS_URL": "nats://nats:4222"},
            "NATS_URL: names no user, so the servers would ask the service about itself; put its name",
        ),
        ({"NATS_URL": ""}, "NATS_URL: names no user"),
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


@pytest.mark.parametrize(
    "changes",
    [
        {"NATS_TOKEN": "t"},
        {"NATS_USER_CREDS_FILE": "/etc/nats/user.creds"},
        {"NATS_TLS_CERT_FILE": "/tls/tls.crt", "NATS_TLS_KEY_FILE": "/tls/tls.key"},
        {"NATS_URL": "nats://token@nats"},
    ],
)
def test_who_the_service_is_can_be_said_in_several_ways(changes: dict[str, str]) -> None:
    """In server mode, where none of them is required; in operator mode there is one."""
    assert read(POD | {"NATS_URL": "nats://nats:4222"} | changes)
    assert read(OPERATOR)


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
