"""The nsc commands that are still to be run."""

import shlex
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callout.bootstrap.choices import Choices, Layout, Resolver
from callout.bootstrap.nsc_claims import OperatorClaims, Side, StoredOperator, StoredUser
from callout.bootstrap.nsc_commands import list_commands
from callout.bootstrap.nsc_store import Store, read_store
from tests.callout.bootstrap.nsc_like import write_store
from tests.callout.bootstrap.sample import deploy

EMPTY = Store("OP", StoredOperator("O", OperatorClaims()), {})


def missing(store: Store, choices: Choices) -> list[str]:
    """The commands of the first part."""
    lines = list_commands(store, choices)
    ends = lines.index("Then, to hand out what they made:") if lines[0].startswith("Operator") else 1
    return [line.strip() for line in lines[1:ends]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """One that lacks nothing."""
    write_store(tmp_path, deploy())
    return read_store(tmp_path, None)


@pytest.mark.parametrize("layout", list(Layout))
@pytest.mark.parametrize("sealed", [True, False])
def test_a_deployment_of_ours_lacks_nothing(tmp_path: Path, layout: Layout, sealed: bool) -> None:
    """What is made here is what is asked of nsc."""
    deployment = deploy(nack=layout, xkey=sealed)
    write_store(tmp_path, deployment)
    lines = list_commands(read_store(tmp_path, None), deployment.record.choices)
    assert "Nothing is missing in operator nats. To hand out what it has:" == lines[0]


def test_an_empty_operator_lacks_all_of_it() -> None:
    """In an order in which nothing is used before it is made."""
    commands = missing(EMPTY, Choices(resolver=Resolver.FULL))
    assert "nsc env --operator OP" == commands[0]
    assert "nsc push --all" == commands[-1]
    assert commands.index("nsc add account --name AUTH_ACCOUNT") < next(
        number for number, command in enumerate(commands) if command.startswith("nsc edit authcallout")
    )
    assert all(shlex.split(command)[0] == "nsc" for command in commands)


def test_a_key_that_is_not_there_yet_is_asked_of_nsc() -> None:
    """One that is there is written out."""
    (command,) = (one for one in missing(EMPTY, Choices(xkey=True)) if "authcallout" in one)
    assert "nsc describe user --account AUTH_SERVICE --name callout --json | jq -r .sub" in command
    assert command.endswith("--curve generate")


@pytest.mark.parametrize("layout", [Layout.IMPORT, Layout.SERVICE])
def test_another_layout_needs_exports_and_imports(store: Store, layout: Layout) -> None:
    """And NACK's user in its own account, with JetStream."""
    commands = missing(store, Choices(nack=layout))
    text = "\n".join(commands)
    assert "nsc add user --account NACK --name nack --allow-pub '$JS.API.>' --allow-sub '_INBOX.>'" in commands
    assert "nsc edit account --name NACK --js-mem-storage -1 --js-disk-storage -1" in text
    assert text.count("nsc add export") == text.count("nsc add import") > 0
    assert (layout is Layout.SERVICE) == ("--response-type Stream" in text)


def test_limits_are_written_as_nsc_reads_them() -> None:
    """Binary units have a b there."""
    text = "\n".join(missing(EMPTY, Choices(js_disk=10 << 30, js_streams=7)))
    assert "--js-disk-storage 10Gib --js-streams 7" in text


def user(store: Store, account: str, name: str, **changes: Any) -> Store:
    """The store with another user of that name."""
    owner = store.accounts[account]
    found = owner.users[name]
    claims = {key: value for key, value in changes.items() if key != "exp"}
    nats = msgspec.structs.replace(found.nats, **claims)
    changed = StoredUser(found.sub, nats, changes.get("exp", found.exp))
    accounts = store.accounts | {account: msgspec.structs.replace(owner, users=owner.users | {name: changed})}
    return msgspec.structs.replace(store, accounts=accounts)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"bearer_token": False}, "--bearer"),
        ({"pub": Side()}, "--deny-pubsub '>'"),
        ({"subs": 0}, "--subs -1 --data -1 --payload -1"),
        ({"exp": 1}, "--expiry 0"),
    ],
)
def test_a_wrong_sentinel_is_put_right(store: Store, changes: dict[str, Any], part: str) -> None:
    """No bearer, may publish, has no subscriptions, ends some day."""
    (_, command, _) = missing(user(store, "AUTH_SERVICE", "sentinel", **changes), Choices())
    assert command.startswith("nsc edit user --account AUTH_SERVICE --name sentinel ")
    assert part in command


@pytest.mark.parametrize(
    ("sub", "enough"),
    [
        (("$SYS.REQ.USER.AUTH nats-k8s-oidc-callout",), True),
        (("$SYS.REQ.USER.AUTH",), True),
        ((">",), True),
        ((), True),
        (("$SYS.REQ.USER.AUTH other",), False),
        (("$SYS._INBOX.>",), False),
    ],
)
def test_a_user_that_can_do_its_work_is_left_alone(store: Store, sub: tuple[str, ...], enough: bool) -> None:
    """One that cannot is given what it lacks."""
    commands = missing(user(store, "AUTH_SERVICE", "callout", sub=Side(allow=sub)), Choices())
    assert enough == (commands == [])


def test_any_allowed_account_will_do(store: Store) -> None:
    """`*` stands for all."""
    owner = store.accounts["AUTH_SERVICE"]
    assert owner.nats.authorization is not None
    authorization = msgspec.structs.replace(owner.nats.authorization, allowed_accounts=("*",))
    nats = msgspec.structs.replace(owner.nats, authorization=authorization)
    accounts = store.accounts | {"AUTH_SERVICE": msgspec.structs.replace(owner, nats=nats)}
    assert [] == missing(msgspec.structs.replace(store, accounts=accounts), Choices())


def test_nack_gets_nothing_where_there_is_none(store: Store) -> None:
    """Neither account nor credentials."""
    assert not [line for line in list_commands(store, Choices(nack=Layout.NONE)) if "nack" in line.lower()]


def test_an_operators_name_is_quoted() -> None:
    """It may be anything as far as nsc goes."""
    commands = missing(Store("My $(id)", EMPTY.operator, {}), Choices())
    assert ["nsc", "env", "--operator", "My $(id)"] == shlex.split(commands[0])
