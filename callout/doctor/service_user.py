"""The service's own user: what the server lets it do, and why it does not let it in."""

import secrets
import shlex
from collections.abc import Sequence
from typing import Final

from callout.doctor.connections import Connection, LoginError
from callout.doctor.findings import Check, Finding, wrong
from callout.doctor.nats_claims import UserJwt
from callout.doctor.users import AUTH_SUBJECT, OWN_CREDS, RESTART, Tried, describe_foreign
from workers.server import MAX_WAIT_S
from workers.user_jwt import Mode

_REPLY: Final = "$SYS._INBOX.doctor"
_BOOTSTRAPPED: Final = ", or without nsc the file in FOLDER/creds that callout bootstrap FOLDER has made"


async def try_rights(service: Connection) -> Tried:
    """Try what the service needs, and what it has no business with, on subjects that nobody listens to."""
    drawn = secrets.token_hex(8)
    return Tried(
        hears=await service.may_subscribe(AUTH_SUBJECT),
        answers=await service.may_publish(f"{_REPLY}.{drawn}"),
        hears_more=await service.may_subscribe(f"doctor.{drawn}"),
        says_more=await service.may_publish(f"doctor.{drawn}"),
    )


def judge_refusal(
    error: LoginError, mode: Mode, user: UserJwt | None, servers: Sequence[str], now: float
) -> list[Finding]:
    """Say why the service's user may not have got in.

    Args:
        error: how the login failed.
        mode: that of the settings.
        user: its JWT, if it has one.
        servers: where it was tried, addresses without a login.
        now: Unix seconds.
    """
    check = Check.SERVICE_USER
    if not error.refused:
        where = shlex.quote(",".join(servers))
        mend = f"nats server check connection --server {where}  # from here; is that what NATS_URL should be?"
        return [wrong(check, f"no login: {error}", mend)]
    if user is not None and (foreign := describe_foreign(user)):
        what = f"the server refuses the user of NATS_USER_CREDS_FILE, and it is not the service's own: {foreign}"
        return [wrong(check, what, OWN_CREDS)]
    if user is not None and user.expires_at and user.expires_at <= now:
        name = shlex.quote(user.name or "callout")
        mend = (
            f"nsc edit user --name {name} --expiry 0 && nsc generate creds --name {name}  # into NATS_USER_CREDS_FILE"
            f"{_BOOTSTRAPPED}"
        )
        return [wrong(check, "the service's user has expired", mend)]
    if error.seconds >= MAX_WAIT_S:
        # The server had nobody to ask but us.
        what = f"the server refuses the service's user after {error.seconds:.1f} s: it asks the callout about it"
        return [wrong(check, what, _name_auth_user(mode, user)), _miss_auth_user(mode, user)]
    what = "the server refuses the service's user: wrong password or credentials, or not one of auth_users"
    return [wrong(check, what, f"{_correct_login(mode, user)}; or, if it is right: {_name_auth_user(mode, user)}")]


def _correct_login(mode: Mode, user: UserJwt | None) -> str:
    if mode is Mode.OPERATOR and user is not None:
        name = shlex.quote(user.name or "callout")
        return f"nsc generate creds --name {name}  # into NATS_USER_CREDS_FILE{_BOOTSTRAPPED}"
    return "put user and password into NATS_URL as nats.conf has them"


def _miss_auth_user(mode: Mode, user: UserJwt | None) -> Finding:
    what = "the service's user is not one of auth_users: the server sends it to the callout"
    return wrong(Check.AUTH_USERS, what, _name_auth_user(mode, user))


def _name_auth_user(mode: Mode, user: UserJwt | None) -> str:
    if mode is Mode.OPERATOR and user is not None:
        return f"nsc edit authcallout --account <account {user.account}> --auth-user {user.key} && nsc push -A"
    return f"name NATS_URL's user in auth_users of auth_callout in nats.conf, then {RESTART}"
