"""The examination: everything that is asked without touching clients, and with `--live` by being one.

Rules kept here:
- The order is fixed by `Check`: a reader finds each thing in its place, and the cause above its consequences.
- What fails keeps nothing else from being asked. Nothing is changed anywhere but for the message of `--nack`.
"""

import asyncio
import shlex
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from callout.config.loading import ConfigError, load
from callout.config.table import Settings
from callout.daemon import call_in_daemon
from callout.doctor import web
from callout.doctor.bearer import Bearer, make_bearer
from callout.doctor.cluster import ClusterError, Facts, learn, mint_token
from callout.doctor.findings import Check, Finding, notice, ok, unknown, wrong
from callout.doctor.nats_side import examine_nats
from callout.doctor.request import Request
from callout.doctor.rights import check_rights, miss_rights, skip_rights
from callout.doctor.trust import check_trust
from callout.preflight.checks import check

CLUSTER_SECONDS: Final = 60.0
"""For all questions to the API server together; each has ten seconds of its own."""


async def examine(environ: Mapping[str, str], request: Request) -> list[Finding]:
    """Ask everything, and return what was found, in the order of `Check`."""
    try:
        settings, warnings = load(environ)
        warnings += check(settings).warnings
    except ConfigError as error:
        return [wrong(Check.SETTINGS, line, "callout config  # shows what is in force") for line in error.lines]
    findings = [notice(Check.SETTINGS, warning, "callout config  # shows what is in force") for warning in warnings]
    findings = findings or [ok(Check.SETTINGS, "valid, and all files are what they should be")]
    facts = await _learn(settings)
    findings += [*_judge_cluster(settings, facts)]
    bearer = await _find_bearer(settings, request, facts)
    findings += [bearer.finding] if bearer else []
    clocks = list(facts.clocks) if facts else []
    if settings.jwks_url and (reading := await asyncio.to_thread(web.read_clock, settings.jwks_url, "the key server")):
        clocks.append(reading)
    findings += await examine_nats(settings, request, bearer, clocks)
    order = list(Check)
    return sorted(findings, key=lambda finding: order.index(finding.check))


async def _learn(settings: Settings) -> Facts | None:
    try:
        async with asyncio.timeout(CLUSTER_SECONDS):
            return await call_in_daemon(lambda: learn(settings), "cluster")
    except TimeoutError:
        return None


def _judge_cluster(settings: Settings, facts: Facts | None) -> Iterator[Finding]:
    if facts is None:
        late = f"the cluster has not answered within {CLUSTER_SECONDS:g} s"
        yield unknown(Check.KEY_SET, late, "kubectl get --raw /readyz")
        return
    if facts.keys is None:
        yield wrong(Check.KEY_SET, facts.keys_problem, "kubectl get --raw /openid/v1/jwks  # what it should be")
    else:
        yield from check_trust(facts.keys.keyset, facts.keys.issuers, settings.jwt_audience, facts.cluster)
    if settings.serviceaccounts_path is not None:
        yield skip_rights()
    elif facts.problem:
        yield miss_rights(facts.problem)
    else:
        yield check_rights(facts.outcomes, facts.user, settings.k8s_namespace or "")


async def _find_bearer(settings: Settings, request: Request, facts: Facts | None) -> Bearer | None:
    """Take the token that was given, or have one made; and judge it. None if none was asked for."""
    token = request.given.token
    if request.serviceaccount is not None:
        namespace, name = request.serviceaccount
        try:
            async with asyncio.timeout(CLUSTER_SECONDS):
                token = await call_in_daemon(lambda: mint_token(settings, namespace, name), "token")
        except (ClusterError, TimeoutError) as error:
            again = (
                f"kubectl create token -n {namespace} {name} --audience={shlex.quote(settings.jwt_audience[0])} >token"
            )
            why = str(error) or f"the API server has not answered within {CLUSTER_SECONDS:g} s"
            return Bearer("", unknown(Check.TOKEN, why, f"{again}  # and give --token"))
    if not token:
        return None
    if facts is None or facts.keys is None:
        return Bearer(token, unknown(Check.TOKEN, "without a key set it cannot be verified", "a key set, see above"))
    bearer = await make_bearer(settings, token, facts.keys)
    if request.given.remark:
        finding = bearer.finding
        finding = msgspec.structs.replace(finding, details=(*finding.details, request.given.remark))
        bearer = msgspec.structs.replace(bearer, finding=finding)
    return bearer
