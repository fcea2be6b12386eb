"""The accounts' JWTs: who may sign, what is shared, who answers the callout.

Rules kept here:
- Pure, and made from the record alone: the same record gives the same JWTs, to the byte.
- The operator's signing key signs them; its own key is not needed.
- An account lists all its signing keys. While one is being replaced that is the old and the new one.
"""

from callout.bootstrap.nack import build_bridge, find_stream_account
from callout.bootstrap.record import SERVICE, Deployment, Record
from callout.nats_jwt import Account, Authorization, JetStreamLimits, issue_account


def declare_accounts(record: Record) -> dict[str, Account]:
    """Say what each account is, by its name."""
    choices = record.choices
    bridge = build_bridge(choices)
    accounts = {}
    for member in record.accounts:
        name = member.name
        accounts[name] = Account(
            signing_keys=tuple(key.public for key in member.signing),
            authorization=_authorize(record) if name == choices.service_account else None,
            exports=bridge.exports if bridge and name == bridge.source else (),
            imports=bridge.imports(record.account(bridge.source).public) if bridge and name == bridge.target else (),
            jetstream=_limit(record) if name == find_stream_account(choices) else None,
        )
    return accounts


def issue_accounts(deployment: Deployment) -> dict[str, str]:
    """Sign the accounts' JWTs, by the accounts' names."""
    record, material = deployment.record, deployment.material
    operator = material.signing[record.operator.signing[-1].public]
    declared = declare_accounts(record)
    return {
        one.name: issue_account(operator, one.public, declared[one.name], name=one.name, issued_at=one.issued_at)
        for one in record.accounts
    }


def _authorize(record: Record) -> Authorization:
    clients = record.account(record.choices.client_account)
    return Authorization((record.users[SERVICE],), (clients.public,), record.xkey)


def _limit(record: Record) -> JetStreamLimits:
    choices = record.choices
    return JetStreamLimits(choices.js_memory, choices.js_disk, choices.js_streams, choices.js_consumers)
