"""The nsc commands that turn a store's operator into the deployment that the choices describe.

Rules kept here:
- Pure. Only what is missing is named, so that an empty list is the proof that nothing is.
- nsc keeps its keys: a key that does not exist yet is asked of nsc itself, in the command that needs it.
- Nothing is taken away: an account or a user may be used by others, and may have more than is needed here.

Source of the commands: nsc 2.15, `cmd/`.
"""

import shlex
from collections.abc import Iterator, Sequence

from callout.bootstrap.choices import Choices, Layout, Resolver
from callout.bootstrap.forms import render_size
from callout.bootstrap.nack import build_bridge, find_stream_account
from callout.bootstrap.nsc_claims import AccountClaims, Limits, Share, Side, StoredAccount, StoredUser
from callout.bootstrap.nsc_store import Store
from callout.bootstrap.record import NACK, SENTINEL_USER, SERVICE, name_accounts, plan_users
from callout.nats_jwt import NO_LIMIT, Export, Permissions, User

QUEUE_GROUP = "nats-k8s-oidc-callout"
"""The workers' (`workers.server`, which would bring a NATS client along)."""
_ABSENT = StoredAccount("", AccountClaims())


def list_commands(store: Store, choices: Choices) -> list[str]:
    """Say which commands are still to be run, and then which ones hand out what they made."""
    missing = [
        *_complete_accounts(store, choices),
        *_complete_users(store, choices),
        *_complete_callout(store, choices),
        *_complete_bridge(store, choices),
    ]
    if not missing:
        return [f"Nothing is missing in operator {store.name}. To hand out what it has:", *_hand_out(choices)]
    return [
        f"Operator {store.name} lacks something; run these, in this order:",
        f"  nsc env --operator {shlex.quote(store.name)}",
        *(f"  {command}" for command in missing),
        "  nsc push --all" if choices.resolver is Resolver.FULL else "  nsc push --all   # if a full resolver has them",
        "Then, to hand out what they made:",
        *_hand_out(choices),
    ]


def _complete_accounts(store: Store, choices: Choices) -> Iterator[str]:
    if not store.operator.nats.signing_keys:
        yield "nsc edit operator --sk generate"
    for name in name_accounts(choices):
        account = store.accounts.get(name, _ABSENT)
        if account is _ABSENT:
            yield f"nsc add account --name {name}"
        if not any(isinstance(key, str) for key in account.nats.signing_keys):
            yield f"nsc edit account --name {name} --sk generate"
        if name == choices.sys_account and store.operator.nats.system_account != (account.sub or name):
            yield f"nsc edit operator --system-account {name}"
        if name == find_stream_account(choices) and not _has_jetstream(account.nats.limits):
            limits = (choices.js_memory, choices.js_disk, choices.js_streams, choices.js_consumers)
            flags = ("--js-mem-storage", "--js-disk-storage", "--js-streams", "--js-consumer")
            sizes = (render_size(limit).replace("i", "ib") for limit in limits)
            yield f"nsc edit account --name {name} {' '.join(map(' '.join, zip(flags, sizes, strict=True)))}"


def _complete_users(store: Store, choices: Choices) -> Iterator[str]:
    for name, (account, rights) in plan_users(choices).items():
        found = store.accounts.get(account, _ABSENT).users.get(name)
        rest = _write_rights(rights)
        if found is None:
            yield f"nsc add user --account {account} --name {name}{rest}"
        elif not _suffices(found, rights):
            unlimited = " --subs -1 --data -1 --payload -1" if rights.bearer_token else ""
            forever = " --expiry 0" if found.exp else ""
            yield f"nsc edit user --account {account} --name {name}{rest}{unlimited}{forever}"


def _complete_callout(store: Store, choices: Choices) -> Iterator[str]:
    name, clients = choices.service_account, choices.client_account
    account = store.accounts.get(name, _ABSENT)
    service = account.users.get(SERVICE)
    has = account.nats.authorization
    words = []
    if has is None or service is None or service.sub not in has.auth_users:
        words.append(f"--auth-user {_key_of_user(store, name, SERVICE)}")
    key = store.accounts.get(clients, _ABSENT).sub
    if has is None or not {key, "*"} & set(has.allowed_accounts):
        words.append(f"--allowed-account {_key_of_account(store, clients)}")
    if choices.xkey and (has is None or not has.xkey):
        words.append("--curve generate")
    if words:
        yield f"nsc edit authcallout --account {name} {' '.join(words)}"


def _complete_bridge(store: Store, choices: Choices) -> Iterator[str]:
    bridge = build_bridge(choices)
    if bridge is None:
        return
    source, target = (store.accounts.get(name, _ABSENT) for name in (bridge.source, bridge.target))
    for one in bridge.exports:
        kind = " --service" if one.type == "service" else ""
        subject = shlex.quote(one.subject)
        if not _is_shared(source.nats.exports, one):
            several = f" --response-type {one.response_type}" if one.response_type else ""
            yield f"nsc add export --account {bridge.source} --name {_name(one)} --subject {subject}{kind}{several}"
        if not _is_shared(target.nats.imports, one, source.sub):
            whose = f"--src-account {_key_of_account(store, bridge.source)}"
            local = f" --local-subject {subject}" if kind else ""
            place = f"--account {bridge.target} --name {_name(one)}"
            yield f"nsc add import {place} {whose} --remote-subject {subject}{local}{kind}"


def _hand_out(choices: Choices) -> list[str]:
    resolver = "--nats-resolver" if choices.resolver is Resolver.FULL else "--mem-resolver"
    service = choices.service_account
    lines = [
        f"  nsc generate config {resolver} --sys-account {choices.sys_account} --config-file nats.conf",
        f"  nsc describe user --account {service} --name {SENTINEL_USER} --raw   # default_sentinel in nats.conf",
        f"  nsc generate creds --account {service} --name {SERVICE} --output-file {SERVICE}.creds",
        f"  nsc describe account {choices.client_account} --json   # sub is NATS_ACCOUNT",
        f"  nsc export keys --accounts --dir keys --account {service}   # its signing key is NATS_SIGNING_KEY_FILE",
        f"  nsc export keys --accounts --dir keys --account {choices.client_account}   # NATS_ACCOUNT_SIGNING_KEY_FILE",
    ]
    if choices.nack is not Layout.NONE:
        account = find_stream_account(choices)
        lines.append(f"  nsc generate creds --account {account} --name {NACK} --output-file {NACK}.creds")
    return lines


def _has_jetstream(limits: Limits) -> bool:
    return bool(limits.mem_storage or limits.disk_storage or limits.tiered_limits)


def _suffices(found: StoredUser, rights: User) -> bool:
    claims = found.nats
    unlimited = NO_LIMIT == claims.subs == claims.data == claims.payload
    if rights.bearer_token:
        return claims.bearer_token and unlimited and not found.exp and ">" in claims.pub.deny and ">" in claims.sub.deny
    return _reaches(claims.pub, rights.pub) and _reaches(claims.sub, rights.sub)


def _reaches(has: Side, needed: Permissions) -> bool:
    """Tell whether all that is needed is allowed; narrowed to the workers' queue group, it still does their work."""
    return not has.allow or all({one, f"{one} {QUEUE_GROUP}", ">"} & set(has.allow) for one in needed.allow)


def _is_shared(shares: Sequence[Share], wanted: Export, account: str | None = None) -> bool:
    found = [one for one in shares if (one.subject, one.type) == (wanted.subject, wanted.type)]
    return any(account is None or (account and one.account == account) for one in found)


def _write_rights(rights: User) -> str:
    if rights.bearer_token:
        return " --bearer --deny-pubsub '>'"
    sides = (("--allow-pub", rights.pub.allow), ("--allow-sub", rights.sub.allow))
    return "".join(f" {flag} {shlex.quote(subject)}" for flag, allow in sides for subject in allow)


def _key_of_account(store: Store, name: str) -> str:
    return store.accounts.get(name, _ABSENT).sub or f'"$(nsc describe account {name} --json | jq -r .sub)"'


def _key_of_user(store: Store, account: str, name: str) -> str:
    user = store.accounts.get(account, _ABSENT).users.get(name)
    return user.sub if user else f'"$(nsc describe user --account {account} --name {name} --json | jq -r .sub)"'


def _name(export: Export) -> str:
    return shlex.quote(export.name)
