"""What is said to the user: on the terminal, and in the README of the folder.

Rules kept here:
- Pure. Public keys are shown, nothing secret is.
- Commands can be pasted as they stand: paths and addresses are quoted for a shell.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from callout import DISTRIBUTION
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
    ("kubernetes/", "SECRET  secrets.yaml, for kubectl create"),
    ("helm/", "values for the charts of NATS, of this service, of NACK"),
    ("README.txt", "this list, and the commands for Kubernetes"),
    ("bootstrap.json", "what was chosen; 'callout bootstrap' reads it back"),
)

_CEILING: Final = "CHECKOUT/k8s/examples/operator-mode/2-callout.yaml"
_CHART: Final = '"${NATS_CHART:?is that of its chart, 1.…, as helm list has it}"'
"""The version of NATS's chart, without which Helm takes the newest."""
_GUIDE: Final = "docs/operator-mode.md from step 2 on"


def say_made(record: Record, folder: Path) -> list[str]:
    """Say what was made and what to run next."""
    choices = record.choices
    clients = record.account(choices.client_account)
    server = find_server(choices.listen)
    return [
        f"Made operator {record.operator.name} with {', '.join(one.name for one in record.accounts)} in {folder}:",
        *_render_tree(),
        f"Clients go to {clients.name}, {clients.public}; JetStream is in {find_stream_account(choices)}.",
        f"Next: move {_quote(folder / places.OFFLINE)} off this machine.",
        f"Then {_GUIDE}, where nats-setup is {_quote(folder)}: nats-server at {server}, the service, a client.",
        f"In Kubernetes: {_quote(folder / places.README)}.",
    ]


def say_unchanged(record: Record, folder: Path, restored: Sequence[str], *, is_edited: bool) -> list[str]:
    """Say that all is there already; `restored` are files that were missing. Which were edited is said elsewhere."""
    exceptions = [*(["what was edited"] if is_edited else []), *(["what was missing"] if restored else [])]
    state = f"is as it was made but for {' and '.join(exceptions)}" if exceptions else "is as it was made"
    done = f"written again: {', '.join(restored)}" if restored else "nothing was changed"
    return [f"{folder} {state}; {done}."] + [
        f"{one.name} has an old signing key that still verifies; --retire {one.name} ends that."
        for one in record.accounts
        if len(one.signing) > 1
    ]


def say_rotated(record: Record, name: str, folder: Path, edited: Sequence[str]) -> list[str]:
    """Say what to do between the two steps, and in which order; of `edited` files the new version stands beside."""
    old, new = record.account(name).signing
    choices = record.choices
    steps = [["let every nats-server learn of it:", *_push(record, name, folder)]]
    if edited:
        steps.insert(
            0, ["carry your edits over and take the new files; these have the old key:", *_take(edited, folder)]
        )
    if name in (choices.service_account, choices.client_account):
        steps += [
            [
                "the service signs with it:",
                f"restart callout serve with {_quote(folder / places.ENVIRONMENT)}",
                f"or kubectl apply -f {_quote(folder / places.SECRETS)}",
            ],
            ["when all that the old key signed has ended (logins last NATS_USER_TTL, an hour unless set):"],
        ]
    else:
        steps += [["sign those users again that you made with the old key"], ["then:"]]
    steps[-1].append(f"callout bootstrap {_quote(folder)} --retire {name}")
    return [
        f"{name} has a new signing key, {new.public}; the old one, {old.public}, still verifies.",
        "In this order:",
        *(
            line
            for number, (title, *commands) in enumerate(steps, 1)
            for line in (f"  {number}. {title}", *_indent(commands))
        ),
    ]


def say_retired(record: Record, name: str, old: SigningKey, folder: Path, edited: Sequence[str]) -> list[str]:
    """Say what ends the old key; of `edited` files the new version stands beside."""
    return [
        f"{name} no longer has the signing key {old.public}; its seed is deleted.",
        "It verifies until every nats-server has learnt of that; logins that it has signed end then:",
        *_indent([*_take(edited, folder), *_push(record, name, folder)]),
    ]


def say_measuring(folder: Path) -> str:
    """Say what has to end before a signing key is replaced: with it nats-server might go on with the old one."""
    place = _quote(folder / places.MEASURING)
    undo = f"python -m perf.account {_quote(folder)} --undo"
    return f"{place} holds the accounts as they are, for a measurement; end that first: {undo}, and do what it says"


def say_still_signing(record: Record, name: str, holder: Path, *, is_new_beside: bool) -> str:
    """Say why the old key of an account stays: a file of the service still has it."""
    old, new = (Path(places.seed_of(name, key.number)).name for key in record.account(name).signing)
    first = f"take {holder.name}{places.NEW}, with your edits" if is_new_beside else f"put {new} there"
    return f"{holder} still has {old}, so the service would go on signing with it; first {first}, and restart it"


def render_readme(record: Record) -> str:
    """Write the README of the folder."""
    choices = record.choices
    lines = [
        "Made by 'callout bootstrap'. Run it again with this folder at any time: it changes nothing.",
        "",
        *_render_tree(),
        "",
        f"NACK: {choices.nack.value}. {_explain(record)}",
        "",
        "In Kubernetes, from this folder, in namespaces that exist:",
        f"  kubectl create --filename {places.SECRETS} --dry-run=server &&",
        f"  kubectl create --filename {places.SECRETS}",
        f"  helm upgrade --install nats nats/nats --namespace {choices.namespace} -f {places.NATS_VALUES}",
        f"  helm upgrade --install {DISTRIBUTION} CHECKOUT/k8s/chart --namespace {choices.namespace} \\",
        f"    -f {places.CALLOUT_VALUES} -f {_CEILING} --set image.repository=IMAGE",
    ]
    if choices.nack is not Layout.NONE:
        lines.append(
            f"  helm upgrade --install nack nats/nack --namespace {choices.nack_namespace} -f {places.NACK_VALUES}"
        )
    lines += [
        f"CHECKOUT is a checkout of {DISTRIBUTION}, IMAGE where you have pushed its image. The last values file",
        "has the ceiling, which bounds what annotations can grant: take one that is yours.",
        "If a Secret is there already, a deployment has been set up before: keep its Secrets, and the folder that they",
        "were made from. kubectl apply is for a rotation alone, from that folder: it replaces keys.",
    ]
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
        kept = f"--version {_CHART} --namespace {choices.namespace} --reuse-values"
        return [
            "nats-server --signal reload=PID  # of the server that reads it: there may be several",
            f"or helm upgrade nats nats/nats {kept} -f {_quote(folder / places.NATS_VALUES)}",
        ]
    server, creds = _quote(f"nats://{find_server(choices.listen)}"), _quote(folder / places.creds_of(ADMINISTRATOR))
    request = f"request '$SYS.REQ.CLAIMS.UPDATE' \"$(cat {_quote(folder / places.jwt_of(name))})\""
    return [
        f"nats --server {server} --creds {creds} {request}",
        f"or kubectl exec --namespace {choices.namespace} deploy/nats-box -- nats {request}",
    ]


def _take(edited: Sequence[str], folder: Path) -> list[str]:
    """Say how the new versions of edited files take their places."""
    return [f"mv {_quote(folder / (name + places.NEW))} {_quote(folder / name)}" for name in edited]


def _indent(commands: Sequence[str]) -> list[str]:
    return [f"       {command}" for command in commands]


def _render_tree() -> list[str]:
    return [f"  {name:<16} {about}" for name, about in _TREE]


def _quote(word: Path | str) -> str:
    return shlex.quote(str(word))
