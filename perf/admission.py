"""Who may ask besides nats-server, in operator mode: the JWTs that let an account do it, and those that end it.

Rules kept here:
- Pure, but for keys, which are drawn: the moment is an argument.
- What the two accounts share is for each other alone: requests hold tokens, and answers hold logins. An export that
  wants no activation could be imported by every account of the operator.
- Nothing that is made for it outlives a day. The callout's own account never expires: its clients would go with it.
- The callout's account is that of the record at that moment. One that was kept might bring a withdrawn key back.
"""

from typing import Final

import msgspec

from callout.bootstrap.accounts import declare_accounts, issue_accounts
from callout.bootstrap.record import Deployment
from callout.demo.config import draw_key
from callout.nats_jwt import (
    EVERY_ACCOUNT,
    Account,
    Export,
    Import,
    Permissions,
    User,
    issue_account,
    issue_activation,
    issue_user,
    render_creds,
)
from callout.secret import Secret
from perf.generator.requests import ASKING_SUBJECT, INBOX, SUBJECT
from workers.nkeys import Kind

NAME: Final = "PERF"
LIFETIME_S: Final = 24 * 3600
CONNECTIONS: Final = 64  # a script has one or two; some of them at once, and what a server has not yet seen end
_ANSWERS: Final = f"{INBOX}.>"


class Admission(msgspec.Struct, frozen=True):
    """What lets somebody ask.

    Attributes:
        preload: JWTs of all accounts by their public keys, for the memory resolver.
        changed: `preload` as far as it differs from the deployment's own.
        service, perf: JWTs of the callout's account with the imports, and of the account that asks.
        credentials: of the user who asks.
    """

    preload: dict[str, str]
    changed: dict[str, str]
    service: str
    perf: str
    credentials: Secret


class Ending(msgspec.Struct, frozen=True):
    """What a full resolver is given at the end: the callout's account by itself, and one that nobody can log in to."""

    service: str
    perf: str


def admit(deployment: Deployment, now: int, *, after: int = 0, lifetime_s: int = LIFETIME_S) -> Admission:
    """Make the account that asks, and the callout's own with what it imports and exports.

    The answers to nats-servers are not among what is exported: they go to other inboxes.

    Args:
        deployment: whose service is asked.
        now: Unix seconds.
        after: Unix seconds at which JWTs of these accounts were issued that servers may have.
        lifetime_s: how long it lasts.
    """
    record = deployment.record
    operator = deployment.material.signing[record.operator.signing[-1].public]
    service = record.account(record.choices.service_account)
    signing = deployment.material.signing[service.signing[-1].public]
    now = _be_newer(deployment, now, after)
    end = now + lifetime_s
    account, user = draw_key(Kind.ACCOUNT), draw_key(Kind.USER)
    former = {EVERY_ACCOUNT: now - 1}  # activations of earlier runs
    asking = Export(ASKING_SUBJECT, "stream", "perf requests", token_req=True)
    answering = Export(_ANSWERS, "stream", "perf answers", token_req=True, revocations=former)
    may_hear = issue_activation(
        signing, account.public, answering, issued_at=now, expires_at=end, account=service.public
    )
    may_be_asked = issue_activation(account, service.public, asking, issued_at=now, expires_at=end)
    asks = Account(
        exports=(asking,),
        imports=(Import(_ANSWERS, service.public, "stream", "perf answers", token=may_hear),),
        connections=CONNECTIONS,
    )
    was = declare_accounts(record)[service.name]
    requests = Import(ASKING_SUBJECT, account.public, "stream", "perf requests", SUBJECT, may_be_asked)
    answers = msgspec.structs.replace(was, exports=(*was.exports, answering), imports=(*was.imports, requests))
    rights = User(pub=Permissions(allow=(ASKING_SUBJECT,)), sub=Permissions(allow=(_ANSWERS,)))
    jwt = issue_user(account, user.public, rights, name="perf", issued_at=now, expires_at=end)
    changed = {
        service.public: issue_account(operator, service.public, answers, name=service.name, issued_at=now),
        account.public: issue_account(operator, account.public, asks, name=NAME, issued_at=now, expires_at=end),
    }
    others = issue_accounts(deployment)
    return Admission(
        preload={one.public: others[one.name] for one in record.accounts} | changed,
        changed=changed,
        service=changed[service.public],
        perf=changed[account.public],
        credentials=render_creds(jwt, Secret(user.encode_seed())),
    )


def end(deployment: Deployment, perf: str, now: int, *, after: int) -> Ending:
    """Make the callout's account as it stands now, and the one that asked with nothing left to it.

    Args:
        deployment: whose service was asked.
        perf: public key of the account that asked.
        now: Unix seconds.
        after: Unix seconds at which JWTs of these accounts were issued that servers may have.
    """
    record = deployment.record
    operator = deployment.material.signing[record.operator.signing[-1].public]
    service = record.account(record.choices.service_account)
    now = _be_newer(deployment, now, after)
    was = declare_accounts(record)[service.name]
    closed = Account(connections=0)
    return Ending(
        service=issue_account(operator, service.public, was, name=service.name, issued_at=now),
        perf=issue_account(operator, perf, closed, name=NAME, issued_at=now, expires_at=now + LIFETIME_S),
    )


def _be_newer(deployment: Deployment, now: int, after: int) -> int:
    """Of two JWTs of one account a full resolver keeps the one that was issued later."""
    record = deployment.record
    return max(now, record.account(record.choices.service_account).issued_at + 1, after + 1)
