"""How the options' values are written: names, subjects, sizes, addresses. Each is read by one function.

Rules kept here:
- Pure. A function takes the text and returns the value, or raises `ValueError` with half a sentence that says what
  would be right; the option's name and the quoted value come before it.
- Names are stricter than NATS: they become names of files and of flags that people type into a shell.
- Subjects that NATS itself lives on, and those that would reach them, cannot be shared between accounts.
"""

import re
from typing import Final

from callout.policy.subjects import ANY, REST, is_valid, overlaps

UNLIMITED: Final = -1
MAX_PORT: Final = 65_535
MAX_EVENTS: Final = 64  # subjects, each an export and an import; one with a wildcard stands for any number
MAX_SIZE: Final = (1 << 63) - 1  # bytes: nats-server counts them in 64 bits with a sign
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", re.ASCII)
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_ADDRESS = re.compile(r"([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):([0-9]{1,5})", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,19})(Ki|Mi|Gi|Ti)?", re.ASCII)
_UNITS: Final = {"": 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}


def parse_name(text: str) -> str:
    """Read the name of an operator or account."""
    if _NAME.fullmatch(text) is None:
        raise ValueError(
            "1 to 63 letters, digits, hyphens and underscores, a letter or digit first; no spaces, dots, wildcards"
        )
    return text


def parse_namespace(text: str) -> str:
    """Read the name of a Kubernetes namespace (RFC 1123 label)."""
    if _NAMESPACE.fullmatch(text) is None:
        raise ValueError("the name of a namespace, such as nats-system")
    return text


def parse_events(text: str) -> tuple[str, ...]:
    """Read the subjects of streams, separated by commas."""
    subjects = tuple(subject.strip() for subject in text.split(","))
    if len(subjects) > MAX_EVENTS:
        raise ValueError(f"at most {MAX_EVENTS} subjects, such as 'events.>' for all that begin with that word")
    for number, subject in enumerate(subjects):
        first = subject.partition(".")[0]
        if not is_valid(subject) or first in (ANY, REST) or first.startswith(("$", "_INBOX")):
            raise ValueError(
                "subjects separated by commas, such as 'events.>'; the first token is a word, and not NATS's own"
            )
        if any(overlaps(subject, other) for other in subjects[:number]):
            raise ValueError("subjects that have nothing in common with each other")
    return subjects


def parse_address(text: str) -> str:
    """Read where a server listens."""
    match = _ADDRESS.fullmatch(text)
    if match is None or not 0 < int(match[2]) <= MAX_PORT:
        raise ValueError("an address and a port, such as 0.0.0.0:4222")
    return text


def parse_size(text: str) -> int:
    """Read a number of bytes, such as 10Gi."""
    match = _SIZE.fullmatch(text)
    size = int(match[1]) * _UNITS[match[2] or ""] if match else 0
    if not 0 < size <= MAX_SIZE:
        raise ValueError("a number of bytes such as 512Mi or 10Gi")
    return size


def parse_limit(text: str) -> int:
    """Read a limit in bytes; -1 is none."""
    try:
        return UNLIMITED if text == str(UNLIMITED) else parse_size(text)
    except ValueError as error:
        raise ValueError(f"{error}, or -1 for no limit") from None


def parse_count(text: str) -> int:
    """Read a limit in numbers; -1 is none."""
    if text == str(UNLIMITED) or (
        text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0
    ):  # fits 32 bits
        return int(text)
    raise ValueError("a number such as 100, or -1 for no limit")


def render_size(size: int) -> str:
    """Write a number of bytes in the largest unit that it is a multiple of; -1 stays what it is."""
    unit = next((unit for unit in ("Ti", "Gi", "Mi", "Ki") if size > 0 and size % _UNITS[unit] == 0), "")
    return f"{size // _UNITS[unit]}{unit}"
