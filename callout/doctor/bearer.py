"""Who is to be let in: a token, what was found about it, and what its ServiceAccount should give it."""

import asyncio
import time
from typing import Final

import msgspec

from callout.config.policy_rules import read_rules
from callout.config.table import Settings
from callout.doctor.cluster import ClusterError, find_serviceaccount
from callout.doctor.connections import Connection
from callout.doctor.expectations import FORBIDDEN, INFO_SUBJECT, Behaviour, judge_permissions, miss_permissions
from callout.doctor.findings import Check, Finding, unknown
from callout.doctor.trust import check_owner, check_token
from callout.keys.reader import FoundKeys
from callout.policy.decision import decide, make_inbox_prefix
from callout.secret import HIDDEN
from callout.serviceaccounts import ServiceAccount, is_valid_identity
from workers.sa_token import Identity, TokenRules, TokenVerifier

MAX_TRIED: Final = 100  # subjects that are subscribed to for a moment; a ServiceAccount has some ten


class Bearer(msgspec.Struct, frozen=True):
    """A token, and whose it is; names are empty if that is not known.

    Attributes:
        finding: what was found about the token itself.
        found: its ServiceAccount as it is now; None if there is none, or it was not found out.
        inbox_prefix: where its client may receive answers.
    """

    token: str
    finding: Finding
    namespace: str = ""
    name: str = ""
    found: ServiceAccount | None = None
    inbox_prefix: str = "_INBOX"

    def __repr__(self) -> str:
        return f"Bearer({HIDDEN})"


async def make_bearer(settings: Settings, token: str, keys: FoundKeys) -> Bearer:
    """Verify a token as the service would, and look for its ServiceAccount."""
    rules = TokenRules(frozenset(keys.issuers), frozenset(settings.jwt_audience))
    verifier = TokenVerifier()
    verifier.trust(keys.keyset, rules)
    outcome = verifier.verify(token, time.time())
    finding = check_token(token, outcome, keys.keyset, rules)
    if not isinstance(outcome, Identity):
        # Nobody has vouched for the names of a token that is refused: they may be anything.
        known = is_valid_identity(outcome.namespace, outcome.name)
        return Bearer(token, finding, *((outcome.namespace, outcome.name) if known else ()))
    found = None
    try:
        found = await asyncio.to_thread(find_serviceaccount, settings, outcome.namespace, outcome.name)
    except ClusterError as error:
        finding = unknown(Check.TOKEN, f"its ServiceAccount cannot be looked for: {error}", "see cluster rights")
    else:
        finding = check_owner(outcome, found) or finding
    prefix = make_inbox_prefix(outcome.namespace, outcome.name, static=not settings.nats_response_max)
    return Bearer(token, finding, outcome.namespace, outcome.name, found, prefix)


async def try_permissions(settings: Settings, bearer: Bearer, client: Connection | None) -> Finding:
    """Compare what the server lets the client do with what its ServiceAccount should give it."""
    if client is None:
        return miss_permissions("no client was let in, so there are no permissions to look at")
    if bearer.found is None:
        return miss_permissions("its ServiceAccount is not known, so there is nothing to compare with")
    try:
        verdict = decide(bearer.found, read_rules(settings))
    except ValueError as error:  # the ceiling's file
        return miss_permissions(str(error))
    refused = [one.subject for one in verdict.sub[:MAX_TRIED] if not await client.may_subscribe(one.subject)]
    deeds = (await client.may_subscribe(">"), await client.may_publish(INFO_SUBJECT))
    excess = [deed for deed, could in zip(FORBIDDEN, deeds, strict=True) if could]
    return judge_permissions(bearer.found, verdict, Behaviour(tuple(refused), tuple(excess)))
