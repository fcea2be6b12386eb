"""What a deployment consists of: its record, which holds no secret, and its material, keys and what they signed.

Rules kept here:
- Pure: keys come from a function that is given, the moment too.
- A record that is read is checked against what `begin` and `rotation` can make, all of it: see `check_record`.
- The keys of operator and accounts themselves sign once, here: the operator's JWT and the fixed users. From then on
  signing keys do all the work, so that the others may leave the machine, and a signing key can be replaced without
  new credentials for anybody.
- Everything else can be made again from record and material, to the byte.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from callout.bootstrap.choices import Choices, Layout, check_choices
from callout.bootstrap.nack import NACK_USER, find_stream_account
from callout.nats_jwt import SENTINEL, Permissions, User, issue_operator, issue_user
from callout.secret import Secret
from workers.nkeys import KeyPair, Kind, looks_public

VERSION: Final = 1
"""Of the record's layout."""
SERVICE, SENTINEL_USER, ADMINISTRATOR, NACK = "callout", "sentinel", "sys", "nack"
"""Names of the fixed users, and of their credentials files."""
MAX_SIGNING_KEYS: Final = 2  # the one in use, and while it is being replaced the old one
_REQUESTS: Final = "$SYS.REQ.USER.AUTH"  # not narrowed to the queue group: `callout doctor` listens beside the workers
_REPLIES: Final = "$SYS._INBOX.>"


class SigningKey(msgspec.Struct, frozen=True):
    """A signing key: its number, which its file is named by, and its public half."""

    number: int
    public: str


class Member(msgspec.Struct, frozen=True):
    """The operator, or an account: its key and its signing keys, the one in use last; `issued_at` in Unix seconds."""

    name: str
    public: str
    signing: tuple[SigningKey, ...]
    issued_at: int


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was made: choices and public keys. `users` has each user's public key by its name."""

    version: int = VERSION
    choices: Choices
    operator: Member
    accounts: tuple[Member, ...]
    users: dict[str, str]
    xkey: str = ""

    def account(self, name: str) -> Member:
        """Find an account by its name; `KeyError` if there is none."""
        return {one.name: one for one in self.accounts}[name]


class Credentials(msgspec.Struct, frozen=True):
    """A user's JWT and its key."""

    jwt: Secret
    key: KeyPair


class Material(msgspec.Struct, frozen=True):
    """What has to be kept, because it cannot be made again.

    Attributes:
        operator_jwt: signed by the operator's own key.
        signing: signing keys of operator and accounts, by their public halves.
        credentials: the fixed users' by their names.
        curve: what requests are sealed for, if they are.
    """

    operator_jwt: str
    signing: dict[str, KeyPair]
    credentials: dict[str, Credentials]
    curve: KeyPair | None


class Deployment(msgspec.Struct, frozen=True):
    """Record and material of one deployment."""

    record: Record
    material: Material


def check_record(record: Record) -> None:
    """Check that this can be the record of a deployment that was made here.

    Raises:
        ValueError: it cannot; the text says no more, since nobody but a program writes a record.
    """
    choices = record.choices
    check_choices(choices)
    named = (record.operator.name, *(one.name for one in record.accounts))
    keys = [(record.operator, Kind.OPERATOR), *((one, Kind.ACCOUNT) for one in record.accounts)]
    sound = (
        record.version == VERSION
        and named == (choices.operator, *name_accounts(choices))
        and all(_is_sound(member, kind) for member, kind in keys)
        and record.users.keys() == plan_users(choices).keys()
        and all(looks_public(public, Kind.USER) for public in record.users.values())
        and (looks_public(record.xkey, Kind.CURVE) if choices.xkey else not record.xkey)
    )
    if not sound:
        raise ValueError("not the record of a deployment")


def _is_sound(member: Member, kind: Kind) -> bool:
    numbers = [key.number for key in member.signing]
    return (
        looks_public(member.public, kind)
        and all(looks_public(key.public, kind) for key in member.signing)
        and 1 <= len(numbers) <= MAX_SIGNING_KEYS
        and numbers == list(range(max(1, numbers[0]), numbers[0] + len(numbers)))
    )


def name_accounts(choices: Choices) -> tuple[str, ...]:
    """The accounts that there are. With NACK inside, its account is made and stays empty: its users live elsewhere."""
    names = (choices.sys_account, choices.service_account, choices.client_account)
    return names if choices.nack is Layout.NONE else (*names, choices.nack_account)


def plan_users(choices: Choices) -> dict[str, tuple[str, User]]:
    """The fixed users by their names, each with its account's name and its rights."""
    service = User(pub=Permissions(allow=(_REPLIES,)), sub=Permissions(allow=(_REQUESTS,)))
    users = {
        SERVICE: (choices.service_account, service),
        SENTINEL_USER: (choices.service_account, SENTINEL),
        ADMINISTRATOR: (choices.sys_account, User()),
    }
    if choices.nack is not Layout.NONE:
        users[NACK] = (find_stream_account(choices), NACK_USER)
    return users


def begin(choices: Choices, draw: Callable[[Kind], KeyPair], now: int) -> tuple[Deployment, Mapping[str, KeyPair]]:
    """Make a new deployment; the second value has the keys of operator and accounts by their names.

    Args:
        choices: what is wanted.
        draw: makes a new key.
        now: Unix seconds.
    """
    kinds = {choices.operator: Kind.OPERATOR} | dict.fromkeys(name_accounts(choices), Kind.ACCOUNT)
    roots = {name: draw(kind) for name, kind in kinds.items()}
    signing = {name: draw(kind) for name, kind in kinds.items()}
    members = {name: Member(name, roots[name].public, (SigningKey(1, signing[name].public),), now) for name in kinds}
    credentials = {}
    for name, (account, rights) in plan_users(choices).items():
        key = draw(Kind.USER)
        jwt = issue_user(roots[account], key.public, rights, name=name, issued_at=now)
        credentials[name] = Credentials(Secret(jwt), key)
    curve = draw(Kind.CURVE) if choices.xkey else None
    operator_jwt = issue_operator(
        roots[choices.operator],
        name=choices.operator,
        system_account=roots[choices.sys_account].public,
        issued_at=now,
        signing_keys=(signing[choices.operator].public,),
    )
    record = Record(
        choices=choices,
        operator=members[choices.operator],
        accounts=tuple(members[name] for name in name_accounts(choices)),
        users={name: one.key.public for name, one in credentials.items()},
        xkey="" if curve is None else curve.public,
    )
    keys = {key.public: key for key in signing.values()}
    return Deployment(record, Material(operator_jwt, keys, credentials, curve)), roots
