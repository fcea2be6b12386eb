"""The demo's plan, with what measuring takes besides: an account that may ask, and listeners for WebSocket and MQTT.

What the two accounts share is for each other alone: requests hold tokens, and answers hold logins.
"""

import json
from pathlib import Path
from typing import Final

import msgspec

from callout.demo.config import (
    SERVICE_PUBLISHES,
    SERVICE_SUBSCRIBES,
    SERVICE_USER,
    Plan,
    draw_key,
    render_config,
    write_private,
    write_seed,
)
from callout.demo.issuer import LocalIssuer
from callout.secret import Secret
from perf.generator.requests import ASKING_SUBJECT, INBOX, SUBJECT
from perf.here.certificate import Certificate
from perf.here.inputs import AUDIENCE, ISSUER
from workers.nkeys import Kind
from workers.user_jwt import Mode

ASKER: Final = "perf"
HANDSHAKE_S: Final = 10  # as k8s/examples/tls has it: by default a storm of handshakes is cut off after two seconds
VERDICT_S: Final = 2  # the same: with TLS it would be one more than the handshake's


class Made(msgspec.Struct, frozen=True):
    """A plan, and what whoever measures has to know of it.

    Attributes:
        plan: for the server and the service.
        issuer: the callout's public key.
        xkey: the service's public curve key; empty if requests are in the clear.
        password: of the user who may ask.
        tls: what NATS clients are shown; None if they do not speak TLS.
    """

    plan: Plan
    issuer: str
    xkey: str
    password: str
    tls: Certificate | None


def make_plan(folder: Path, tls: Certificate | None = None, *, sealed: bool = False) -> Made:
    """Make it in server mode, in a private folder.

    Args:
        folder: where files are written.
        tls: what the server shows to NATS clients, which have to speak TLS then.
        sealed: whether requests are encrypted.
    """
    issuer, curve = draw_key(Kind.ACCOUNT), draw_key(Kind.CURVE) if sealed else None
    callout = {"issuer": issuer.public, "account": "AUTH", "auth_users": [SERVICE_USER, ASKER]}
    passwords = {name: draw_key(Kind.USER).public for name in (SERVICE_USER, ASKER)}
    rights = {"publish": list(SERVICE_PUBLISHES), "subscribe": list(SERVICE_SUBSCRIBES)}
    answers = f"{INBOX}.>"
    asking = {"publish": ASKING_SUBJECT, "subscribe": answers}
    accounts = {
        "AUTH": {
            "users": [{"user": SERVICE_USER, "password": passwords[SERVICE_USER], "permissions": rights}],
            "exports": [{"stream": answers, "accounts": ["PERF"]}],
            "imports": [{"stream": {"account": "PERF", "subject": ASKING_SUBJECT}, "to": SUBJECT}],
        },
        "PERF": {
            "users": [{"user": ASKER, "password": passwords[ASKER], "permissions": asking}],
            "exports": [{"stream": ASKING_SUBJECT, "accounts": ["AUTH"]}],
            "imports": [{"stream": {"account": "AUTH", "subject": answers}}],
        },
        "APP": {"jetstream": "enabled"},
        "SYS": {},
    }
    listener = {"host": "127.0.0.1", "port": -1}
    members = {
        "accounts": accounts,
        "system_account": "SYS",
        "authorization": {
            "auth_callout": callout | ({"xkey": curve.public} if curve else {}),
            **({"timeout": VERDICT_S} if tls else {}),
        },
        "websocket": {**listener, "no_tls": True},
        "mqtt": listener,
        **(
            {"tls": {"cert_file": str(tls.certificate), "key_file": str(tls.key), "timeout": HANDSHAKE_S}}
            if tls
            else {}
        ),
    }
    settings = {
        "NATS_MODE": Mode.SERVER.value,
        "NATS_ACCOUNT": "APP",
        "NATS_SIGNING_KEY_FILE": write_seed(folder / "signing.nk", issuer),
        **({"NATS_XKEY_FILE": write_seed(folder / "xkey.nk", curve)} if curve else {}),
        **({"NATS_TLS_CA_FILE": str(tls.certificate)} if tls else {}),
    }
    login = Secret(f"{SERVICE_USER}:{passwords[SERVICE_USER]}@")
    plan = Plan(render_config(members, folder), settings, login, {name: name for name in accounts}, "APP")
    return Made(plan, issuer.public, curve.public if curve else "", passwords[ASKER], tls)


def make_settings(plan: Plan, server_url: str, folder: Path, issuer: LocalIssuer, cluster_url: str) -> dict[str, str]:
    """Return the environment of a service on that server, which trusts an issuer and lists what a cluster has."""
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "perf", "cluster": {"server": cluster_url}}],
        "users": [{"name": "perf", "user": {"token": "perf"}}],
        "contexts": [{"name": "perf", "context": {"cluster": "perf", "user": "perf"}}],
        "current-context": "perf",
    }
    return {
        **plan.settings,
        "NATS_URL": server_url.replace("://", f"://{plan.login.reveal()}"),
        "JWKS_PATH": write_private(folder / "jwks.json", Secret(issuer.jwks().decode())),
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": AUDIENCE,
        "K8S_IN_CLUSTER": "false",
        "KUBECONFIG": write_private(folder / "kubeconfig", Secret(json.dumps(kubeconfig))),
        "LOG_LEVEL": "info",
    }
