"""The examination of what is on NATS' side: the service's user, the accounts, and, with `--live`, being a client.

Rules kept here:
- Where both the JWTs and the server tell, the server has the last word if it says that something is wrong.
- Whatever happens, no connection is left behind.
"""

import shlex
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from callout.config.credentials import read_seed
from callout.config.table import Settings
from callout.doctor.accounts import Seeds, check_accounts
from callout.doctor.bearer import Bearer
from callout.doctor.clocks import Reading, check_clocks
from callout.doctor.connections import BROKEN, Connection, LoginError, log_in
from callout.doctor.findings import Check, Finding, Severity, notice, ok, unknown
from callout.doctor.live import Stage, try_live
from callout.doctor.logins import Door, Login, make_door, read_service_login
from callout.doctor.nats_claims import AccountJwt, UserJwt, read_user
from callout.doctor.request import Request
from callout.doctor.service_user import judge_refusal, try_rights
from callout.doctor.system import fetch_account, fetch_clocks
from callout.doctor.users import check_rights, check_sentinel, describe_foreign, miss_sentinel
from callout.doctor.versions import check_version
from workers.nkeys import Kind
from workers.user_jwt import Mode


async def examine_nats(
    settings: Settings, request: Request, bearer: Bearer | None, clocks: Sequence[Reading]
) -> list[Finding]:
    """Ask everything that servers can tell; `clocks` are those that were read before."""
    door, login = make_door(settings), read_service_login(settings)
    examination = _Examination(settings, request, door, login)
    try:
        await examination.enter()
        if request.live:
            await examination.be_client(bearer)
        return await examination.conclude(clocks)
    except BROKEN as error:
        lost = f"the connection to NATS broke while it was asked ({type(error).__name__}); the rest is not known"
        return [*examination.findings, unknown(Check.ANSWERED, lost, "callout doctor  # once more")]
    finally:
        await examination.close()


class _Examination:
    """One examination: its connections, and the findings so far."""

    def __init__(self, settings: Settings, request: Request, door: Door, login: Login) -> None:
        self._settings = settings
        self._request = request
        self._door = door
        self._login = login
        self._user = _maybe_read_user(login)
        self._service: Connection | None = None
        self._system: Connection | None = None
        self._reachable = True
        self.findings: list[Finding] = []
        self._live: list[Finding] = []
        self._clocks: list[Reading] = []

    async def enter(self) -> None:
        """Log in as the service's user, and in the system account."""
        mode = self._settings.nats_mode
        try:
            self._service = service = await log_in(self._door, self._login)
        except LoginError as error:
            self.findings += judge_refusal(error, mode, self._user, self._door.servers, time.time())
            self._reachable = error.refused
            return
        finally:
            if self._request.system is not None and self._reachable:
                await self._enter_system(self._request.system)
        self.findings += [
            ok(Check.SERVICE_USER, f"the service's user logs in, in {service.seconds * 1000:.0f} ms"),
            check_version(str(service.info.get("version", "")), mode),
            check_rights(await try_rights(service), mode, self._user),
        ]

    async def be_client(self, bearer: Bearer | None) -> None:
        """Log in as clients do."""
        if not self._reachable:
            self._live = [unknown(Check.ANSWERED, "no NATS server can be talked to", "see service user")]
            return
        stage = Stage(
            settings=self._settings,
            door=self._door,
            request=self._request,
            service=self._service,
            system=self._system,
            callout_account=_find_callout_account(self._settings, self._user),
            bearer=bearer if bearer and bearer.token else None,
        )
        outcome = await try_live(stage)
        self._clocks += outcome.clocks
        self._live += outcome.findings

    async def conclude(self, clocks: Sequence[Reading]) -> list[Finding]:
        """Compare keys and users with the accounts, and the clocks with each other.

        Last: a server with a memory resolver has an account's JWT only once somebody has been placed there.
        """
        if self._system is not None:
            self._clocks += await fetch_clocks(self._system)
        compared = await self._compare()
        return [*self.findings, *_merge(compared, self._live), check_clocks([*clocks, *self._clocks])]

    async def close(self) -> None:
        """Leave."""
        for client in (self._service, self._system):
            if client is not None:
                await client.close()

    async def _enter_system(self, login: Login) -> None:
        try:
            self._system = await log_in(self._door, login)
        except LoginError as error:
            what = f"the user of --sys-creds cannot log in: {error}"
            who = "--creds FILE" if login.jwt else f"--user {shlex.quote(login.user)} --password <that of nats.conf>"
            self.findings.append(notice(Check.RESPONDERS, what, f"nats server info {who}"))

    async def _compare(self) -> Iterator[Finding]:
        settings, user = self._settings, self._user
        signing = read_seed(settings.nats_signing_key_file, Kind.ACCOUNT).public
        xkey = read_seed(settings.nats_xkey_file, Kind.CURVE).public if settings.nats_xkey_file else ""
        if settings.nats_mode is Mode.SERVER or user is None or settings.nats_account_signing_key_file is None:
            return _describe_server_mode(signing, xkey, self._request)
        account_signing = read_seed(settings.nats_account_signing_key_file, Kind.ACCOUNT).public
        seeds = Seeds(
            signing=signing,
            account_signing=account_signing,
            xkey=xkey,
            user=user.key,
            callout=user.account,
            target=settings.nats_account,
            foreign=describe_foreign(user),
        )
        accounts = dict(self._request.accounts)
        for key in (seeds.callout, seeds.target) if self._system else ():
            assert self._system is not None
            fetched = await fetch_account(self._system, key)
            if fetched is not None:  # what the server has counts more than what a file had
                accounts[key] = fetched
        return _describe_operator_mode(seeds, accounts, self._request)


def _merge(compared: Iterable[Finding], live: Iterable[Finding]) -> list[Finding]:
    """Let a live finding take the place of one that was unknown, or of one that was well if it is wrong.

    Where both are wrong the comparison has the better words: it knows the accounts by name.
    """
    static = list(compared)
    known = {finding.check: finding.severity for finding in static if finding.severity is not Severity.UNKNOWN}
    told = [
        one
        for one in live
        if one.check not in known or (one.severity is Severity.WRONG and known[one.check] is not Severity.WRONG)
    ]
    taken = {finding.check for finding in told}
    return [one for one in static if one.check not in taken] + told


def _describe_server_mode(signing: str, xkey: str, request: Request) -> Iterator[Finding]:
    needed = f"--live  # or see that nats.conf has auth_callout {{ issuer: {signing} }}"
    yield unknown(Check.SIGNING_KEY, f"auth_callout's issuer has to be {signing}", needed)
    asked = f"has to be {xkey}" if xkey else "has to be absent: NATS_XKEY_FILE is not set"
    yield unknown(Check.XKEY, f"auth_callout's xkey {asked}", "--live  # or see nats.conf")
    if request.sentinel is not None:
        yield notice(Check.SENTINEL, "in server mode there is no sentinel", "callout doctor  # without --sentinel")


def _describe_operator_mode(seeds: Seeds, accounts: Mapping[str, AccountJwt], request: Request) -> Iterator[Finding]:
    yield from check_accounts(seeds, accounts)
    if request.sentinel is None:
        yield miss_sentinel()
    else:
        yield check_sentinel(read_user(request.sentinel.jwt), seeds.callout, time.time())


def _find_callout_account(settings: Settings, user: UserJwt | None) -> str:
    """Return whom requests are addressed to: the issuer in server mode, the account of the service's user otherwise."""
    if settings.nats_mode is Mode.OPERATOR and user is not None:
        return user.account
    return read_seed(settings.nats_signing_key_file, Kind.ACCOUNT).public


def _maybe_read_user(login: Login) -> UserJwt | None:
    try:
        return read_user(login.jwt) if login.jwt else None
    except ValueError:
        return None
