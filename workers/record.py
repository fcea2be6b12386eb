"""A ServiceAccount's record in the snapshot: what the hot path needs to know of it, ready to use.

Stored as `<uid> NUL <account> NUL <permissions>`. Neither uid nor account can hold a NUL: a source takes printable uids
alone, and the account is a setting.
"""

import msgspec


class Record(msgspec.Struct, frozen=True):
    """What the hot path needs to know of a ServiceAccount.

    Attributes:
        uid: the identity of the object that exists now.
        account: where its clients go: an account's name (server mode) or public key (operator mode).
        permissions: JSON members from `workers.user_jwt.render_permissions`, to be spliced as they are.
    """

    uid: str
    account: str
    permissions: bytes


def pack(record: Record) -> bytes:
    """Write a record as the snapshot stores it."""
    return b"%b\0%b\0%b" % (record.uid.encode(), record.account.encode(), record.permissions)


def unpack(value: bytes | None) -> Record | None:
    """Read what the snapshot has stored; None where it has stored nothing."""
    if value is None:
        return None
    uid, account, permissions = value.split(b"\0", 2)
    return Record(uid.decode(), account.decode(), permissions)
