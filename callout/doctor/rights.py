"""What the service may do on the Kubernetes API, and the kubectl command for what it may not.

Rules kept here:
- Pure: each thing was tried, and the outcomes are handed in.
- Only what the service needs is granted: three verbs on ServiceAccounts, and a ClusterRole that every cluster has.
"""

import shlex
from collections.abc import Iterable
from enum import Enum
from typing import Final

import msgspec

from callout.doctor.findings import Check, Finding, ok, unknown, wrong

OURS: Final = "nats-k8s-oidc-callout"
_DISCOVERY_ROLE: Final = "system:service-account-issuer-discovery"
_USER_PREFIX: Final = "system:serviceaccount:"


class Deed(Enum):
    """Something that the service does on the Kubernetes API."""

    LIST = "list ServiceAccounts"
    WATCH = "watch ServiceAccounts"
    DISCOVER = "read the issuer's name"
    KEYS = "read the issuer's key set"


class Outcome(msgspec.Struct, frozen=True):
    """How it went; `problem` is empty if well, and `forbidden` tells that a rule is missing."""

    deed: Deed
    problem: str = ""
    forbidden: bool = False


def check_rights(outcomes: Iterable[Outcome], user: str, namespace: str) -> Finding:
    """Judge what was tried.

    Args:
        outcomes: one for each deed.
        user: who we are to the API server, such as `system:serviceaccount:nats:callout`; empty if that is not known.
        namespace: the one that is served; empty for all.
    """
    failed = [one for one in outcomes if one.problem]
    if not failed:
        return ok(Check.CLUSTER_RIGHTS, f"{user or 'we'} may {', '.join(deed.value for deed in Deed)}")
    forbidden = [one.deed for one in failed if one.forbidden]
    if not forbidden:
        advice = "kubectl get --raw /readyz  # with the service's own kubeconfig or ServiceAccount"
        return wrong(Check.CLUSTER_RIGHTS, failed[0].problem, advice)
    commands = []
    if {Deed.LIST, Deed.WATCH} & set(forbidden):
        commands.append(_grant_accounts(user, namespace))
    if {Deed.DISCOVER, Deed.KEYS} & set(forbidden):
        binding = f"kubectl create clusterrolebinding {OURS}-discovery --clusterrole={_DISCOVERY_ROLE}"
        commands.append(f"{binding} {_subject(user)}")
    what = f"{user or 'we'} may not {', '.join(deed.value for deed in forbidden)}"
    return wrong(Check.CLUSTER_RIGHTS, what, " && ".join(commands))


def skip_rights() -> Finding:
    """Say that the API server is not used at all."""
    return ok(Check.CLUSTER_RIGHTS, "none are needed: ServiceAccounts come from SERVICEACCOUNTS_PATH")


def miss_rights(problem: str) -> Finding:
    """Say that nothing could be tried."""
    return unknown(Check.CLUSTER_RIGHTS, problem, "export KUBECONFIG=<file>, or K8S_IN_CLUSTER=true in a pod")


def _grant_accounts(user: str, namespace: str) -> str:
    kind, where = ("role", f" -n {namespace}") if namespace else ("clusterrole", "")
    rule = "--verb=get,list,watch --resource=serviceaccounts"
    return (
        f"kubectl create {kind} {OURS}{where} {rule}"
        f" && kubectl create {kind}binding {OURS}{where} --{kind}={OURS} {_subject(user)}"
    )


def _subject(user: str) -> str:
    if user.startswith(_USER_PREFIX):
        return f"--serviceaccount={shlex.quote(user.removeprefix(_USER_PREFIX))}"
    return f"--user={shlex.quote(user)}" if user else "--serviceaccount=<namespace>:<the service's ServiceAccount>"
