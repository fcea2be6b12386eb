"""workers.settings: what a worker is told survives the way there, and none of its secrets is ever shown."""

from typing import Any

import msgspec
import pytest

from tests.minting import CurveKey, NatsKey
from workers.settings import WorkerSettings, make_sealing_key, make_signer
from workers.user_jwt import Mode

ACCOUNT, TARGET = NatsKey.generate("account"), NatsKey.generate("account")
USER, CURVE = NatsKey.generate("user"), CurveKey.generate()
SECRETS = {
    "password": "hunter2-the-password",
    "token": "the-nats-token",
    "user_jwt": "eyJ.THE-USERS-JWT.x",
    "user_seed": USER.seed,
    "signing_seed": ACCOUNT.seed,
    "account_signing_seed": TARGET.seed,
    "xkey_seed": CURVE.seed,
}


def settings(**changes: Any) -> WorkerSettings:
    """Settings of a worker in server mode, but for what is named."""
    plain: dict[str, Any] = {
        "worker": 2,
        "metrics_id": 5,
        "status_file": "/run/callout/status/2",
        "snapshot_dir": "/run/callout/snapshot",
        "metrics_dir": "/run/callout/metrics",
        "log_level": "info",
        "servers": ("nats://a:4222", "nats://b:4222"),
        "mode": Mode.SERVER,
        "callout_account": ACCOUNT.public,
        "signing_seed": ACCOUNT.seed,
        "user_ttl": 3600.0,
        "user_ttl_jitter": 0.2,
        "user_name": False,
        "drain_timeout": 10.0,
    }
    return WorkerSettings(**(plain | changes))


@pytest.mark.parametrize("changes", [{}, {"mode": Mode.OPERATOR, **SECRETS}, {"servers": ()}, {"password": 'q"\n\\é'}])
def test_settings_survive_the_way_to_a_worker(changes: dict[str, Any]) -> None:
    """As one line of JSON."""
    sent = settings(**changes)
    line = msgspec.json.encode(sent)
    assert b"\n" not in line
    assert sent == msgspec.json.decode(line, type=WorkerSettings)


@pytest.mark.parametrize(
    "line",
    [b"", b"{}", b"null", b"[]", b'{"worker":"two"}', msgspec.json.encode(settings()).replace(b"server", b"x", 1)],
)
def test_a_line_that_is_no_settings_is_refused(line: bytes) -> None:
    """By the one error that the worker's entry looks for."""
    with pytest.raises(msgspec.MsgspecError):
        msgspec.json.decode(line, type=WorkerSettings)


def test_settings_do_not_show_their_secrets() -> None:
    """Neither directly nor as a part of something else, nor does the signer made of them."""
    told = settings(**SECRETS)
    for shown in (repr(told), str(told), repr([told]), repr(make_signer(told)), repr(make_sealing_key(told))):
        assert [] == [name for name, secret in SECRETS.items() if secret in shown]


def test_in_server_mode_one_key_signs_both() -> None:
    """The configured issuer's."""
    signer = make_signer(settings())
    assert (Mode.SERVER, ACCOUNT.public) == (signer.mode, signer.callout_account)
    assert (ACCOUNT.public, ACCOUNT.public) == (signer.response.public, signer.user.public)


def test_in_operator_mode_each_account_signs_its_own() -> None:
    """The callout's account the response, the target's account the user."""
    signer = make_signer(settings(mode=Mode.OPERATOR, account_signing_seed=TARGET.seed))
    assert (Mode.OPERATOR, ACCOUNT.public) == (signer.mode, signer.callout_account)
    assert (ACCOUNT.public, TARGET.public) == (signer.response.public, signer.user.public)


def test_nothing_is_sealed_without_a_curve_key() -> None:
    """And with one, it is that one."""
    assert make_sealing_key(settings()) is None
    key = make_sealing_key(settings(xkey_seed=CURVE.seed))
    assert key is not None
    assert CURVE.public == key.public


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"signing_seed": USER.seed}, "SA is needed, and one of the kind SU was given"),
        ({"signing_seed": CURVE.seed}, "SA is needed, and one of the kind SX was given"),
        ({"signing_seed": ACCOUNT.public}, "not a seed"),
        ({"signing_seed": ""}, "not a seed"),
        ({"account_signing_seed": USER.seed}, "SA is needed, and one of the kind SU was given"),
        ({"account_signing_seed": TARGET.seed[:-4] + "AAAA"}, "not a seed"),
        ({"xkey_seed": ACCOUNT.seed}, "SX is needed, and one of the kind SA was given"),
        ({"xkey_seed": CURVE.seed.lower()}, "not a seed"),
    ],
)
def test_a_seed_of_another_kind_is_refused(changes: dict[str, str], expected: str) -> None:
    """By a line that says which is needed, and holds nothing of the seed."""
    told = settings(**changes)
    with pytest.raises(ValueError, match=expected) as caught:
        (make_signer if "xkey_seed" not in changes else make_sealing_key)(told)
    (seed,) = changes.values()
    assert seed == "" or seed[:8] not in str(caught.value)
