"""`callout explain`: what a token or a ServiceAccount would get, and why.

It asks what the service asks, with the same settings, and decides with the same code; it needs neither a running
service nor NATS. Exit code 0: a login would succeed. 1: it would be refused, or something could not be asked.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from callout.config.loading import Settings, load
from callout.config.policy_rules import read_rules
from callout.errors import EXIT_FAILED, EXIT_WRONG_USAGE, CommandError, print_problems
from callout.explain.explanation import Explanation, Situation, explain_serviceaccount, explain_token
from callout.explain.text import render
from callout.explain.verification import Trust
from callout.files import reason_of
from callout.kube.client import KubeClient
from callout.kube.errors import KubeError
from callout.manifests.folder import read_folder
from callout.policy.decision import Rules
from callout.secret import quote
from callout.serviceaccounts import ServiceAccount, is_valid_identity
from callout.sources import make_client, make_key_source
from workers.authorize import Session
from workers.keyset import parse_keyset
from workers.logs import Log
from workers.sa_token import Identity, TokenRules, TokenVerifier

STANDARD_INPUT: Final = "-"
MAX_TOKEN_BYTES: Final = 1 << 16  # far more than any token has, so that one which is too long is seen to be


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--token", metavar="FILE", help="explain the token in this file; - reads standard input")
    what.add_argument("--serviceaccount", metavar="NAMESPACE/NAME", help="explain what this ServiceAccount gets")
    parser.add_argument("--json", action="store_true", help="write JSON")
    parser.epilog = "Settings come from the environment, as for 'callout serve'; 'callout config --help' lists them."


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    who = None if args.serviceaccount is None else _split_identity(args.serviceaccount)
    settings, warnings = load(os.environ)
    print_problems((), warnings)
    token = "" if args.token is None else _read_token(args.token)
    try:
        rules = read_rules(settings)
    except ValueError as error:  # the ceiling's file
        raise CommandError(str(error), exit_code=EXIT_WRONG_USAGE) from None
    try:
        cluster = _Cluster(settings, rules)
        explanation = _explain_token(token, cluster) if who is None else _explain_serviceaccount(who, cluster)
    except (KubeError, ValueError) as error:  # their text is made for the operator
        raise CommandError(str(error)) from None
    if args.json:
        print(msgspec.json.format(msgspec.json.encode(explanation), indent=2).decode())
    else:
        print(*render(explanation), sep="\n")
    return 0 if explanation.allowed else EXIT_FAILED


class _Cluster:
    """What the service would know, asked for once; methods raise `KubeError` or `ValueError`, each one line."""

    def __init__(self, settings: Settings, rules: Rules) -> None:
        self._settings = settings
        self._rules = rules
        self._client = make_client(settings)
        self._notes: list[str] = []

    def fetch_trust(self) -> Trust:
        """Get the key set, and whose tokens it is for."""
        log = Log("explain", "error")
        try:
            document, issuers = make_key_source(self._settings, self._client, lambda *_: None, log).read()
        finally:
            log.close()
        keyset = parse_keyset(document)
        self._notes += keyset.problems
        return Trust(keyset, TokenRules(frozenset(issuers), frozenset(self._settings.jwt_audience)))

    def find(self, namespace: str, name: str) -> ServiceAccount | None:
        """Get the ServiceAccount; None if the service would not know of it."""
        settings = self._settings
        if self._client is not None:
            return _ask(self._client, settings, namespace, name)
        assert settings.serviceaccounts_path is not None
        accounts, problems = read_folder(settings.serviceaccounts_path, settings.sa_annotation_prefix)
        if problems and not accounts:
            raise CommandError(*problems)
        self._notes += problems
        return next((one for one in accounts if (one.namespace, one.name) == (namespace, name)), None)

    def describe(self) -> Situation:
        """Tell the rest that counts, with all the notes made on the way here."""
        settings = self._settings
        session = Session(settings.nats_user_ttl, settings.nats_user_ttl_jitter, settings.nats_user_name)
        return Situation(self._rules, session, time.time(), tuple(self._notes))


def _explain_token(token: str, cluster: _Cluster) -> Explanation:
    trust = cluster.fetch_trust()
    verifier = TokenVerifier()
    verifier.trust(trust.keyset, trust.rules)
    outcome = verifier.verify(token, time.time())
    found = cluster.find(outcome.namespace, outcome.name) if isinstance(outcome, Identity) else None
    return explain_token(token, outcome, found, trust, cluster.describe())


def _explain_serviceaccount(who: tuple[str, str], cluster: _Cluster) -> Explanation:
    found = cluster.find(*who)
    return explain_serviceaccount("/".join(who), found, cluster.describe())


def _ask(client: KubeClient, settings: Settings, namespace: str, name: str) -> ServiceAccount | None:
    if settings.k8s_namespace and namespace != settings.k8s_namespace:
        return None  # the service does not look there
    return client.get_serviceaccount(namespace, name, settings.sa_annotation_prefix)


def _split_identity(text: str) -> tuple[str, str]:
    namespace, _, name = text.partition("/")
    if not is_valid_identity(namespace, name):
        raise CommandError(
            f"--serviceaccount: {quote(text)} is none; give namespace/name, such as orders/checkout",
            exit_code=EXIT_WRONG_USAGE,
        )
    return namespace, name


def _read_token(place: str) -> str:
    """Read a token from a file or from standard input; the file may be a pipe."""
    try:
        if place == STANDARD_INPUT:
            content = sys.stdin.buffer.read(MAX_TOKEN_BYTES)
        else:
            with Path(place).open("rb") as file:
                content = file.read(MAX_TOKEN_BYTES)
    except OSError as error:
        raise CommandError(
            f"--token: {quote(place)} cannot be read: {reason_of(error)}; give the path of a file that holds a token, "
            "or - for standard input",
            exit_code=EXIT_WRONG_USAGE,
        ) from None
    return content.decode("utf-8", "replace").strip()
