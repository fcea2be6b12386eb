"""What the doctor can find: a closed set of checks, and how each of them came out.

Rules kept here:
- Pure. Every check is a member of `Check`, so the documentation's table, the text and the JSON cannot name others.
- A finding that is not `ok` says what to do: the command that mends it, or what would be needed to know.
- `unknown` is an outcome of its own: what could not be looked at is never called well.
- No finding holds a secret. Public keys, names, subjects and addresses are none.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Self

import msgspec


class Severity(StrEnum):
    """How a check came out."""

    OK = "ok"
    NOTICE = "notice"
    WRONG = "wrong"
    UNKNOWN = "unknown"


class Check(StrEnum):
    """A thing that is looked at.

    Attributes:
        asks: the question, in one sentence.
        why: why it matters, in one sentence.
        live: whether it is asked with `--live` alone.
    """

    asks: str
    why: str
    live: bool

    def __new__(cls, value: str, asks: str, why: str, live: bool = False) -> Self:
        """Make a member; the first string is its value."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.asks = asks
        member.why = why
        member.live = live
        return member

    SETTINGS = (
        "settings",
        "Are the settings valid, and is every file that they name what it should be?",
        "`callout serve` does not start with settings that are wrong.",
    )
    SERVICE_USER = (
        "service user",
        "Can the service's own user log in?",
        "Without its connection nobody answers the server, and every client is refused after two seconds.",
    )
    SERVICE_RIGHTS = (
        "service rights",
        "May the service's user do what it needs, and nothing else?",
        "Too little and no request is heard or answered; too much and whoever steals it reads the whole account.",
    )
    SERVER_VERSION = (
        "server version",
        "Which nats-server is it, and what is known of that version?",
        "Some versions show tokens, or check less than others do.",
    )
    SIGNING_KEY = (
        "signing key",
        "Is NATS_SIGNING_KEY_FILE the key that the server takes answers from?",
        "The server refuses every answer that another key has signed, and tells only its own log.",
    )
    ACCOUNT_SIGNING_KEY = (
        "account key",
        "Is NATS_ACCOUNT_SIGNING_KEY_FILE the key of NATS_ACCOUNT, or a signing key of it?",
        "The server refuses every client whose user JWT another key has signed.",
    )
    ALLOWED_ACCOUNT = (
        "allowed account",
        "Does the callout's account allow clients to be placed in NATS_ACCOUNT?",
        "The server refuses the client after our answer: our log and metrics count such a login as allowed.",
    )
    AUTH_USERS = (
        "auth users",
        "Is the service's user one of auth_users?",
        "Whoever is not is sent to the callout himself, so the service would have to let itself in.",
    )
    SENTINEL = (
        "sentinel",
        "Is the sentinel a bearer without rights, without limits and without an end?",
        "In operator mode the server lets nobody in front of the callout without one.",
    )
    XKEY = (
        "xkey",
        "Do the server and the service agree on whether requests are sealed, and for which key?",
        "Where they differ every client is refused; unsealed, tokens cross NATS in the clear.",
    )
    KEY_SET = (
        "key set",
        "Can the key set be read, and does it hold keys that can be used?",
        "Without the issuer's keys no token can be verified.",
    )
    ISSUER = (
        "issuer",
        "Is JWT_ISSUER the issuer that the cluster names, and is the key set that issuer's?",
        "Tokens of any other issuer are refused.",
    )
    AUDIENCE = (
        "audience",
        "Is JWT_AUDIENCE a name that is for NATS alone?",
        "Every pod has a token for the API server: all could log in, and who comes by one of those has more than NATS.",
    )
    TOKEN = (
        "token",
        "Is the token that was given one which the service lets in?",
        "A token for another audience, or of another cluster, is refused whatever else is right.",
    )
    CLUSTER_RIGHTS = (
        "cluster rights",
        "May the service list and watch ServiceAccounts, and read the issuer's key set?",
        "Without these rights it knows no ServiceAccount, or no key, and refuses everybody.",
    )
    CLOCKS = (
        "clocks",
        "Does this machine's clock agree with those of the API server, the key server and nats-server?",
        "Requests live two seconds, and tokens are checked to the minute.",
    )
    ANSWERED = (
        "answered",
        "Does the server ask the callout, and does anybody answer?",
        "A callout that nobody answers refuses every client after two seconds; nats-server logs only how long it took.",
        True,
    )
    PATIENCE = (
        "patience",
        "Does the server wait for an answer for two seconds, and no longer?",
        "Longer than that it sends its own first PING before its verdict, which clients take for a broken login.",
        True,
    )
    BYPASS = (
        "bypass",
        "Is a client without any credentials refused?",
        "With no_auth_user the server lets everybody in, and never asks.",
        True,
    )
    JUNK_TOKEN = (
        "junk token",
        "Is a token that is none refused, and by this service?",
        "Whoever else lets clients in does so by rules that nobody here knows.",
        True,
    )
    RESPONDERS = (
        "responders",
        "Do all who hear requests belong to the service's queue group?",
        "Anybody else there reads tokens, and a second answer can let in, or throw out, whom the service did not.",
        True,
    )
    REPLICAS = (
        "replicas",
        "Has a replica refused what nats-server asks, as only one that is set up otherwise than the server does?",
        "One replica with another key refuses whoever it is asked about, and the others let them in.",
        True,
    )
    LOGIN = (
        "login",
        "Does the token let a client in, each time, and into NATS_ACCOUNT?",
        "This is what it is all for.",
        True,
    )
    PERMISSIONS = (
        "permissions",
        "Does the client have the permissions that its ServiceAccount should give it?",
        "A service with other rules, or somebody else who answers, gives others.",
        True,
    )
    ROUND_TRIP = (
        "round trip",
        "Does a login take less than the 1.5 s that a decision has?",
        "After two seconds the server refuses the client, whatever is answered then.",
        True,
    )
    STREAM = (
        "stream",
        "Does a message that the client publishes arrive in the stream?",
        "Accounts are worlds of their own: a stream in another account never sees the message.",
        True,
    )


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a check came out.

    Attributes:
        check: which.
        severity: how.
        what: what was found, in one sentence.
        why: why it matters; empty if all is well.
        mend: the command that mends it; with `unknown`, what would be needed to know.
        details: lines that belong to it, such as subjects.
    """

    check: Check
    severity: Severity
    what: str
    why: str = ""
    mend: str = ""
    details: tuple[str, ...] = ()


def ok(check: Check, what: str, *details: str) -> Finding:
    """Find that all is well."""
    return Finding(check, Severity.OK, what, details=details)


def notice(check: Check, what: str, mend: str, *details: str) -> Finding:
    """Find something that works and could be better."""
    return Finding(check, Severity.NOTICE, what, check.why, mend, details)


def wrong(check: Check, what: str, mend: str, *details: str) -> Finding:
    """Find something that has to be mended."""
    return Finding(check, Severity.WRONG, what, check.why, mend, details)


def unknown(check: Check, what: str, needed: str) -> Finding:
    """Find that it cannot be known from here, and say what would be needed."""
    return Finding(check, Severity.UNKNOWN, what, check.why, needed)


def count(findings: Iterable[Finding]) -> dict[Severity, int]:
    """Count findings by how they came out."""
    counted = dict.fromkeys(Severity, 0)
    for finding in findings:
        counted[finding.severity] += 1
    return counted
