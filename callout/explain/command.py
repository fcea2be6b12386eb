"""`callout explain`: what a token or a ServiceAccount would get, and why.

It asks what the service asks, with the same settings, and decides with the same code; it needs neither a running
service nor NATS. Exit code 0: a login would succeed, or of all there are no annotations to put right. 1: it would be
refused, there are some, or something could not be asked.
"""

import argparse
import difflib
import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from callout.config.loading import load
from callout.config.policy_rules import read_rules
from callout.config.table import Settings
from callout.errors import EXIT_FAILED, EXIT_WRONG_USAGE, CommandError, print_problems
from callout.explain.explanation import Explanation, Situation, Why, explain_serviceaccount, explain_token
from callout.explain.survey import Survey, survey
from callout.explain.text import render, render_survey, render_why
from callout.explain.verification import Trust
from callout.files import reason_of
from callout.given_token import GivenToken, read_given_token
from callout.keys.reader import KeySetError
from callout.kube.errors import KubeError
from callout.kube.listing import list_serviceaccounts
from callout.manifests.folder import read_folder
from callout.policy.decision import Rules
from callout.policy.verdict import MAX_REPORTED, DropReason
from callout.secret import quote
from callout.serviceaccounts import ServiceAccount, is_valid_identity
from callout.sources import make_client, make_key_reader
from workers.authorize import LoginTerms
from workers.reasons import Reason
from workers.sa_token import Identity, TokenRules, TokenVerifier

# What decides permissions: all that is used without a token. The account is shown if it is known.
_FOR_PERMISSIONS: Final = frozenset(
    (
        *("NATS_MODE", "NATS_USER_TTL", "NATS_USER_TTL_JITTER", "NATS_USER_NAME", "NATS_SHARED_INBOX"),
        *("NATS_RESPONSE_MAX", "NATS_RESPONSE_TTL", "NATS_STREAM_ADMIN", "NATS_CEILING_FILE", "SA_ANNOTATION_PREFIX"),
        *("K8S_IN_CLUSTER", "K8S_NAMESPACE", "KUBECONFIG", "SERVICEACCOUNTS_PATH"),
    )
)
_FOR_TOKENS: Final = _FOR_PERMISSIONS | {"JWKS_URL", "JWKS_PATH", "JWT_ISSUER", "JWT_AUDIENCE"}
_IF_SET: Final = "NATS_ACCOUNT"
_ALL: Final = ""  # what all annotations begin with

# Similarity as difflib counts it, from 0 to 1: a letter or two off. Two of one namespace have much in common anyway.
LIKELY: Final = 0.8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--token", metavar="FILE", help="explain the token in this file; - reads standard input")
    what.add_argument("--serviceaccount", metavar="NAMESPACE/NAME", help="explain what this ServiceAccount gets")
    what.add_argument(
        "--all", action="store_true", help="tell whose annotations do not count as they stand, a line each"
    )
    what.add_argument("--reason", metavar="NAME", help="say what a reason of the log or the metrics means")
    parser.add_argument("--json", action="store_true", help="write JSON")
    parser.epilog = "Settings come from the environment, as for 'callout serve'; 'callout config --help' lists them."


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if args.reason is not None:
        why = Why.of(_find_reason(args.reason))
        _print(why, render_why(why), as_json=args.json)
        return 0
    who = None if args.serviceaccount is None else _split_identity(args.serviceaccount)
    used = _FOR_PERMISSIONS if args.all or who else _FOR_TOKENS
    settings, warnings = load(os.environ, used=used | {_IF_SET} if os.environ.get(_IF_SET, "").strip() else used)
    print_problems((), warnings)
    given = GivenToken() if args.token is None else _read_token(args.token)
    try:
        rules = read_rules(settings)
    except ValueError as error:  # the ceiling's file
        raise CommandError(str(error), exit_code=EXIT_WRONG_USAGE) from None
    try:
        cluster = _Cluster(settings, rules)
        if args.all:
            found = cluster.survey()
            _print(found, render_survey(found), as_json=args.json)
            return 0 if found.is_clean else EXIT_FAILED
        explanation = _explain_token(given, cluster) if who is None else _explain_serviceaccount(who, cluster)
    except (KeySetError, KubeError, ValueError) as error:  # their text is made for the operator
        raise CommandError(str(error)) from None
    _print(explanation, render(explanation), as_json=args.json)
    return 0 if explanation.allowed else EXIT_FAILED


def _print(what: msgspec.Struct, lines: Sequence[str], *, as_json: bool) -> None:
    print(msgspec.json.format(msgspec.json.encode(what), indent=2).decode() if as_json else "\n".join(lines))


def _find_reason(name: str) -> Reason | DropReason:
    """Find a reason for which a login is refused, or a subject dropped."""
    reasons: dict[str, Reason | DropReason] = {one.value: one for one in (*Reason, *DropReason)}
    if name not in reasons:
        raise CommandError(
            f"--reason: {quote(name)} is none; there are {', '.join(reasons)}", exit_code=EXIT_WRONG_USAGE
        )
    return reasons[name]


class _Cluster:
    """What the service would know, asked for once; methods raise what `run` turns into one line each."""

    def __init__(self, settings: Settings, rules: Rules) -> None:
        self._settings = settings
        self._rules = rules
        self._client = make_client(settings)
        self._notes: list[str] = []
        self._caveat = ""

    def note(self, text: str) -> None:
        """Have the operator know of something else."""
        self._notes.append(text)

    def fetch_trust(self) -> Trust:
        """Get the key set, and whose tokens it is for."""
        found = make_key_reader(self._settings, self._client).read()
        self._notes += found.keyset.problems
        return Trust(found.keyset, TokenRules(frozenset(found.issuers), frozenset(self._settings.jwt_audience)))

    def find(self, namespace: str, name: str) -> ServiceAccount | None:
        """Get the ServiceAccount with all annotations; None if the service would not know of it."""
        settings = self._settings
        served = settings.k8s_namespace or namespace
        if namespace != served:
            self._notes.append(f"K8S_NAMESPACE is {served}, so the service knows no ServiceAccount of {namespace}.")
            return None
        if self._client is not None:
            return self._client.get_serviceaccount(namespace, name, _ALL)
        accounts, problems = self._read_files(served)
        known = {f"{one.namespace}/{one.name}": one for one in accounts}
        who = f"{namespace}/{name}"
        if problems and who not in known:
            self._caveat = f"{problems[0]}. A running service goes on with the last content that it could read."
        if who not in known and (close := difflib.get_close_matches(who, known, n=1, cutoff=LIKELY)):
            self._notes.append(f"SERVICEACCOUNTS_PATH has no {who}; was {close[0]} meant?")
        return known.get(who)

    def survey(self) -> Survey:
        """Look through all ServiceAccounts that the service would know of, with all annotations."""
        unreadable: list[str] = []
        found = survey(self._find_all(unreadable.append), self.describe())
        if not unreadable:
            return found
        named = ", ".join(unreadable[:MAX_REPORTED])  # known only now that all were listed
        more = f" and {len(unreadable) - MAX_REPORTED} more" if len(unreadable) > MAX_REPORTED else ""
        note = f"These ServiceAccounts cannot be read, so the service refuses their clients: {named}{more}."
        return msgspec.structs.replace(found, notes=(*found.notes, note))

    def _find_all(self, tell: Callable[[str], object]) -> Iterable[ServiceAccount]:
        served = self._settings.k8s_namespace or ""
        if self._client is not None:
            return list_serviceaccounts(self._client, _ALL, served, tell=tell)
        return self._read_files(served)[0]

    def _read_files(self, served: str) -> tuple[list[ServiceAccount], list[str]]:
        path = self._settings.serviceaccounts_path
        assert path is not None  # otherwise there is a client
        accounts, problems = read_folder(path, _ALL, served)
        if problems and not accounts:
            raise CommandError(*(f"SERVICEACCOUNTS_PATH: {problem}" for problem in problems))
        self._notes += problems
        return accounts, problems

    def describe(self) -> Situation:
        """Tell the rest that counts, with all the notes made on the way here."""
        settings = self._settings
        terms = LoginTerms(settings.nats_user_ttl, settings.nats_user_ttl_jitter, settings.nats_user_name)
        return Situation(self._rules, terms, time.time(), tuple(self._notes), self._caveat)


def _explain_token(given: GivenToken, cluster: _Cluster) -> Explanation:
    token = given.token
    if given.remark:
        cluster.note(given.remark)
    trust = cluster.fetch_trust()
    verifier = TokenVerifier()
    verifier.trust(trust.keyset, trust.rules)
    outcome = verifier.verify(token, time.time())
    found = cluster.find(outcome.namespace, outcome.name) if isinstance(outcome, Identity) else None
    return explain_token(token, outcome, found, trust, cluster.describe())


def _explain_serviceaccount(who: tuple[str, str], cluster: _Cluster) -> Explanation:
    found = cluster.find(*who)
    return explain_serviceaccount("/".join(who), found, cluster.describe())


def _split_identity(text: str) -> tuple[str, str]:
    namespace, _, name = text.partition("/")
    if not is_valid_identity(namespace, name):
        raise CommandError(
            f"--serviceaccount: {quote(text)} is none; give namespace/name, such as orders/checkout",
            exit_code=EXIT_WRONG_USAGE,
        )
    return namespace, name


def _read_token(place: str) -> GivenToken:
    try:
        return read_given_token(place)
    except OSError as error:
        raise CommandError(
            f"--token: {quote(place)} cannot be read: {reason_of(error)}; give the path of a file that holds a token, "
            "or - for standard input",
            exit_code=EXIT_WRONG_USAGE,
        ) from None
