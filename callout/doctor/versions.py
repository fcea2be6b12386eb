"""What is known of versions of nats-server: a table.

Sources: nats-server's release notes, and `server/auth_callout.go` and `auth.go` at the tags named; docs/protocol.md and
SECURITY.md tell more. The tests against real servers of several versions show what of it can be shown.
"""

import re
from typing import Final

import msgspec

from callout.doctor.findings import Check, Finding, Severity, ok, unknown
from workers.user_jwt import Mode

Version = tuple[int, int, int]

OLDEST: Final = (2, 10, 0)
_VERSION: Final = re.compile(r"v?(\d{1,4})\.(\d{1,4})\.(\d{1,4})")
NEWEST: Final = "2.15.3"
_UPGRADE: Final = (
    f"install nats-server {NEWEST} or later  # with NATS's chart: helm upgrade nats nats/nats --namespace nats-system "
    f"--version <as helm list has it> --reuse-values --set container.image.tag={NEWEST}-alpine"
)


class Limit(msgspec.Struct, frozen=True):
    """What goes for versions before `below`; `mode` is None if it goes for both."""

    below: Version
    severity: Severity
    what: str
    mode: Mode | None = None


LIMITS: Final = (
    Limit(OLDEST, Severity.WRONG, "knows no auth callout"),
    Limit((2, 11, 2), Severity.NOTICE, "shows clients' tokens in its log, in CONNZ and in JetStream's advisories"),
    Limit((2, 11, 2), Severity.NOTICE, "knows no default_sentinel, so each client needs the sentinel", Mode.OPERATOR),
    Limit((2, 15, 0), Severity.NOTICE, "does not check who has signed an answer"),
    Limit((2, 15, 2), Severity.NOTICE, "does not check who has signed a denial"),
)


def parse_version(text: str) -> Version | None:
    """Read a version such as `2.15.1` or `2.12.0-RC.1`; None if it is none."""
    match = _VERSION.match(text)
    return None if match is None else (int(match[1]), int(match[2]), int(match[3]))


def check_version(text: str, mode: Mode) -> Finding:
    """Look a version up."""
    version = parse_version(text)
    if version is None:
        return unknown(Check.SERVER_VERSION, "the server does not tell its version", "nats server info")
    known = [limit for limit in LIMITS if version < limit.below and limit.mode in (None, mode)]
    if not known:
        return ok(Check.SERVER_VERSION, f"nats-server {text}; nothing is known against it")
    severity = Severity.WRONG if any(limit.severity is Severity.WRONG for limit in known) else Severity.NOTICE
    what = f"nats-server {text} {', and '.join(limit.what for limit in known)}"
    return Finding(Check.SERVER_VERSION, severity, what, Check.SERVER_VERSION.why, _UPGRADE)
