"""Every mistake in the settings is one line that says what to do, and shows no secret."""

import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.config.help import show
from callout.config.loading import ConfigError, load
from callout.config.table import TABLE
from tests.callout.config.samples import ACCOUNT, MODERATE, OPERATOR, POD, refuse


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
