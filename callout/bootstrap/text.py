"""What is said to the user: on the terminal, and in the README of the folder.

Rules kept here:
- Pure. Public keys are shown, nothing secret is.
- Commands can be pasted as they stand: paths and addresses are quoted for a shell.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path

from callout.bootstrap import places
from callout.bootstrap.choices import Layout, Resolver
from callout.bootstrap.environment import find_server
from callout.bootstrap.nack import find_stream_account
from callout.bootstrap.record import ADMINISTRATOR, Record, SigningKey

_TREE = (
    ("nats.conf", "nats-server's configuration: operator, accounts, default sentinel, JetStream"),
    ("callout.env", "settings of callout serve"),
    ("creds/", "SECRET  credentials of the fixed users; sentinel.creds may be given to every client"),
    ("seeds/", "SECRET  signing keys"),
    ("offline/", "SECRET  the keys behind all others; move this folder off the machine"),
    ("jwt/", "JWTs of the operator and of the accounts"),
    ("kubernetes/", "SECRET  secrets.yaml, for kubectl apply"),
    ("helm/", "values for the charts of NATS, of this service, of NACK"),
    ("README.txt", "this list, and the commands for Kubernetes"),
    ("bootstrap.json", "what was chosen; 'callout bootstrap' reads it back"),
)


def say_made(record: Record, folder: Path) -> list[str]:
    """Say what was made and what to run next."""
    choices = record.choices
    clients = record.account(choices.client_account)
    server = find_server(choices.listen)
    return [
        f"Made operator {record.operator.name} with {', '.join(one.name for one in record.accounts)} in {folder}:",
        *_render_tree(),
        f"Clients go to {clients.name}, {clients.public}; JetStream is in {find_stream_account(choices)}.",
        "Next:",
        f"  nats-server -c {_quote(folder / places.CONFIG)}",
        f"  set -a; . {_quote(folder / places.ENVIRONMENT)}; set +a; callout serve",
        f'  nats --server {_quote(f"nats://{server}")} --token "$TOKEN" pub orders.test hello',
    ]


def say_unchanged(record: Record, folder: Path, restored: Sequence[str]) -> list[str]:
    """Say that all is there already; `restored` are files that were missing."""
    lines = [f"{folder} is as it was made; nothing was changed."]
    if restored:
        lines = [f"{folder} is as it was made but for what was missing; written again: {', '.join(restored)}."]
    return lines + [
        f"{one.name} has an old signing key that still verifies; --retire {one.name} ends that."
        for one in record.accounts
        if len(one.signing) > 1
    ]


def say_rotated(record: Record, name: str, folder: Path) -> list[str]:
    """Say what to do between the two steps, and in which order."""
    old, new = record.account(name).signing
    choices = record.choices
    lines = [
        f"{name} has a new signing key, {new.public}; the old one, {old.public}, still verifies.",
        "In this order:",
        "  1. let every nats-server learn of it:",
        *_push(record, name, folder),
    ]
    if name in (choices.service_account, choices.client_account):
        lines += [
            "  2. the service signs with it:",
            f"       restart callout serve with {_quote(folder / places.ENVIRONMENT)}",
            f"       or kubectl apply -f {_quote(folder / places.SECRETS)}",
            "  3. when all that the old key signed has ended (logins last NATS_USER_TTL, an hour unless set):",
        ]
    else:
        lines += ["  2. sign those users again that you made with the old key", "  3. then:"]
    return [*lines, f"       callout bootstrap {_quote(folder)} --retire {name}"]


def say_retired(record: Record, name: str, old: SigningKey, folder: Path) -> list[str]:
    """Say what ends the old key."""
    return [
        f"{name} no longer has the signing key {old.public}; its seed is deleted.",
        "It verifies until every nats-server has learnt of that:",
        *_push(record, name, folder),
    ]


def render_readme(record: Record) -> str:
    """Write the README of the folder."""
    choices, image = record.choices, "--set image.repository=IMAGE"
    lines = [
        "Made by 'callout bootstrap'. Run it again with this folder at any time: it changes nothing.",
        "",
        *_render_tree(),
        "",
        f"NACK: {choices.nack.value}. {_explain(record)}",
        "",
        "In Kubernetes, from this folder, in namespaces that exist:",
        f"  kubectl apply -f {places.SECRETS}",
        f"  helm upgrade --install nats nats/nats --namespace {choices.namespace} -f {places.NATS_VALUES}",
        f"  helm upgrade --install callout CHART --namespace {choices.namespace} -f {places.CALLOUT_VALUES} {image}",
    ]
    if choices.nack is not Layout.NONE:
        lines.append(
            f"  helm upgrade --install nack nats/nack --namespace {choices.nack_namespace} -f {places.NACK_VALUES}"
        )
    lines.append("CHART is k8s/chart of nats-k8s-oidc-callout, IMAGE where you have pushed its image.")
    return "\n".join([*lines, ""])


def render_offline_readme(record: Record) -> str:
    """Write the README of the folder that may be taken away."""
    return (
        f"The own keys of the operator {record.operator.name} and of its accounts. Who has them owns the deployment.\n"
        "Nothing needs them from day to day: not nats-server, not the service, not 'callout bootstrap' with --rotate.\n"
        "Move this folder to a place that is offline and backed up, and delete it here.\n"
    )


def _explain(record: Record) -> str:
    choices = record.choices
    match choices.nack:
        case Layout.INSIDE:
            return f"Its user is one of {choices.client_account}; the account {choices.nack_account} is empty."
        case Layout.IMPORT:
            return "Streams store what clients publish; publishing through JetStream gets no acknowledgement."
        case Layout.SERVICE:
            return "Streams store and acknowledge; clients may consume and not create."
    return f"Clients of {choices.client_account} have JetStream to themselves."


def _push(record: Record, name: str, folder: Path) -> list[str]:
    """Say how nats-server learns of an account's new JWT. A full resolver does not look at nats.conf on a reload."""
    choices = record.choices
    if choices.resolver is Resolver.MEMORY:
        values = _quote(folder / places.NATS_VALUES)
        return [
            "       nats-server --signal reload",
            f"       or helm upgrade nats nats/nats --namespace {choices.namespace} -f {values}",
        ]
    server, creds = _quote(f"nats://{find_server(choices.listen)}"), _quote(folder / places.creds_of(ADMINISTRATOR))
    request = f"request '$SYS.REQ.CLAIMS.UPDATE' \"$(cat {_quote(folder / places.jwt_of(name))})\""
    return [
        f"       nats --server {server} --creds {creds} {request}",
        f"       or kubectl exec --namespace {choices.namespace} deploy/nats-box -- nats {request}",
    ]


def _render_tree() -> list[str]:
    return [f"  {name:<16} {about}" for name, about in _TREE]


def _quote(word: Path | str) -> str:
    return shlex.quote(str(word))
