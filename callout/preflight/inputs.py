"""What the service decides by, read once before anything starts: key set, ServiceAccounts, ceiling, kubeconfig.

Rules kept here:
- Nothing here talks to a network; what an address leads to is found out by the running service.
- The code that reads is the code that reads later, so that what passes here is not refused there.
- What leaves the service without anything to decide by is an error. One bad key or manifest among good ones is a
  warning: it harms no other, and must not keep the service from starting again.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from callout.config.policy_rules import read_ceiling
from callout.config.table import Settings
from callout.files import locate
from callout.keys.reader import KeyReader, KeySetError
from callout.manifests.folder import Folder
from callout.policy.ceiling import Ceiling
from callout.preflight.kubeconfig import check_kubeconfig
from callout.printable import make_printable

MAX_SHOWN: Final = 64  # characters of a key's name; a cluster's have 43
_ANY_ISSUER: Final = ("",)  # in place of the API server's, which is not asked


class Findings(msgspec.Struct, frozen=True):
    """What was found, a line each, all beginning with the variable's name.

    Attributes:
        facts: what the files hold.
        warnings: what is probably not meant.
        problems: what keeps the service from starting.
    """

    facts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def check_inputs(settings: Settings) -> Findings:
    """Read the files that the settings name."""
    found = [check(settings) for check in _CHECKS]
    return Findings(
        tuple(line for one in found for line in one.facts),
        tuple(line for one in found for line in one.warnings),
        tuple(line for one in found for line in one.problems),
    )


def _check_keys(settings: Settings) -> Findings:
    path = settings.jwks_path
    if path is None:
        return Findings()
    try:
        keyset = KeyReader(path=path, issuers=settings.jwt_issuer or _ANY_ISSUER).read().keyset
    except KeySetError as error:
        return Findings(problems=(str(error),))
    keys = (f"{make_printable(kid, MAX_SHOWN)} ({', '.join(algorithms)})" for kid, algorithms in keyset.keys.items())
    facts = (f"JWKS_PATH: {_count(len(keyset.keys), 'usable key')}: {'; '.join(keys)}",)
    return Findings(facts, tuple(f"JWKS_PATH: {path}: {problem}" for problem in keyset.problems))


def _check_ceiling(settings: Settings) -> Findings:
    path = settings.nats_ceiling_file
    if path is None:
        return Findings()
    try:
        ceiling = read_ceiling(path)
    except ValueError as error:
        return Findings(problems=(str(error),))
    return Findings((f"NATS_CEILING_FILE: {_describe_ceiling(ceiling)}",))


def _check_serviceaccounts(settings: Settings) -> Findings:
    path = settings.serviceaccounts_path
    if path is None:
        return Findings()
    namespace = settings.k8s_namespace or ""
    state = Folder(path, settings.sa_annotation_prefix, namespace).poll()
    assert state is not None  # the first look always gives a picture
    if not state.is_readable:
        reason = state.problems[0].removeprefix(f"{path}: ")
        return Findings(problems=(f"SERVICEACCOUNTS_PATH: {locate(path)} cannot be read: {reason}",))
    problems = tuple(f"SERVICEACCOUNTS_PATH: {problem}" for problem in state.problems)
    if problems and not state.service_accounts:
        return Findings(problems=problems)
    of = f" of K8S_NAMESPACE {namespace}" if namespace else ""
    facts = (f"SERVICEACCOUNTS_PATH: {_count(len(state.service_accounts), 'ServiceAccount')}{of} in {path}",)
    if not state.service_accounts:
        what = f"{path} holds no ServiceAccount{of} in any *.yaml or *.yml"
        remedy = "put manifests there, each document with kind: ServiceAccount"
        problems = (f"SERVICEACCOUNTS_PATH: {what}: nobody can log in; {remedy}",)
    return Findings(facts, problems)


def _check_kubeconfig(settings: Settings) -> Findings:
    if settings.serviceaccounts_path is not None or settings.k8s_in_cluster:
        return Findings()
    try:
        return Findings((f"KUBECONFIG: {check_kubeconfig(settings.kubeconfig)}",))
    except ValueError as error:
        return Findings(problems=(str(error),))


_CHECKS: Final[tuple[Callable[[Settings], Findings], ...]] = (
    _check_ceiling,
    _check_keys,
    _check_kubeconfig,
    _check_serviceaccounts,
)


def _describe_ceiling(ceiling: Ceiling) -> str:
    pub, sub = (_count(len(side or ()), "pattern") for side in (ceiling.pub, ceiling.sub))
    return f"{pub} to publish within, {sub} to subscribe within"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
