"""ServiceAccounts out of the text of a Kubernetes manifest: YAML, several documents, lists among them.

Rules kept here:
- Documents are read one by one, cut at their `---` lines as kubectl does, so a broken one harms no other.
- Scalars stay text (libyaml's base loader). Dates, numbers and merge keys are where YAML loaders spend unbounded time
  on bounded input, and a ServiceAccount holds text alone.
- Depth and size are counted on libyaml's events before anything is built: its loader crashes the process on deep
  nesting, and spends 400 bytes on a node of two.
- What is wrong becomes a line that says where and what to do. It quotes names, never values: the file next to a
  ServiceAccount's may be a Secret's.
"""

import re
import uuid
from collections.abc import Iterator
from itertools import islice
from typing import Final

import msgspec
import yaml

from callout.secret import quote
from callout.serviceaccounts import ServiceAccount, is_valid_identity, is_valid_uid, select_annotations

MAX_DEPTH: Final = 50  # collections within collections; a Pod's deepest has 12
MAX_EVENTS: Final = 100_000  # libyaml's, in one document; a list of 5,000 ServiceAccounts, about 50 MB while it is read
MAX_OBJECTS: Final = 30_000  # documents and items of lists in one file
MAX_PROBLEMS: Final = 50  # lines a file is good for; the rest is counted

DEFAULT_NAMESPACE: Final = "default"
_UID_NAMESPACE: Final = uuid.UUID("b1f5d1c8-7a53-4b0e-9f0d-6e2a3c4d5e6f")
_BOUNDARY: Final = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_MERGE_KEY: Final = "<<"
_Loader: Final = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # without libyaml slower, and the same

Finding = ServiceAccount | str  # what was found: a ServiceAccount, or a line about something that is wrong


class Manifest(msgspec.Struct, frozen=True):
    """What a file holds.

    Attributes:
        service_accounts: in the file's order; the same one twice if the file has it twice.
        problems: lines for the operator, each naming the document and its line.
        is_whole: whether all of it could be read as YAML; if not, there may be more in it than is seen here.
    """

    service_accounts: tuple[ServiceAccount, ...] = ()
    problems: tuple[str, ...] = ()
    is_whole: bool = True


class _UnreadableError(Exception):
    """A document that cannot be read as YAML; the message says why."""


def derive_uid(namespace: str, name: str) -> str:
    """Return the uid of a ServiceAccount whose manifest names none: always the same for the same name."""
    return str(uuid.uuid5(_UID_NAMESPACE, f"{namespace}/{name}"))


def read_manifest(text: str, prefix: str) -> Manifest:
    """Read all ServiceAccounts of a manifest; other kinds are passed over.

    Args:
        text: YAML, any number of documents.
        prefix: what the annotations begin with that are kept.
    """
    service_accounts: list[ServiceAccount] = []
    problems: list[str] = []
    is_whole = True
    room = MAX_OBJECTS
    for number, (line, document) in enumerate(_split(text), start=1):
        where = f"document {number} (line {line})"
        try:
            found = list(islice(_find(_load(document, line), prefix), room + 1))
        except _UnreadableError as error:
            problems.append(f"{where}: {error}")
            is_whole = False
            continue
        room -= len(found)
        service_accounts += (one for one in found if isinstance(one, ServiceAccount))
        problems += (f"{where}: {one}" for one in found if isinstance(one, str))
        if room < 0:
            problems.append(f"{where}: more than {MAX_OBJECTS} objects in one file; from here on it was not read")
            is_whole = False
            break
    return Manifest(tuple(service_accounts), shorten(problems), is_whole)


def shorten(problems: list[str]) -> tuple[str, ...]:
    """Keep the first MAX_PROBLEMS lines and count the others."""
    more = len(problems) - MAX_PROBLEMS
    return (*problems[:MAX_PROBLEMS], f"and {more} more problems") if more > 0 else tuple(problems)


def _split(text: str) -> Iterator[tuple[int, str]]:
    """Cut a text at its document markers: the line each document begins on, and its text; blank ones are left out."""
    line = 1
    for document in _BOUNDARY.split(text):
        if document.strip():
            yield line, document
        line += document.count("\n")


def _load(document: str, line: int) -> object:
    """Decode one document, all scalars as text. Its first line's number is for the message."""
    try:
        _check_size(document)
        return yaml.load(document, Loader=_Loader)  # noqa: S506  # the base loader makes text, lists and dicts only
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" in line {line + mark.line}" if mark else ""
        raise _UnreadableError(f"broken YAML{where}: {error.problem}") from error
    except (yaml.YAMLError, UnicodeError, RecursionError) as error:
        raise _UnreadableError("broken YAML: it holds characters that YAML does not allow") from error


def _check_size(document: str) -> None:
    depth = 0
    for count, event in enumerate(yaml.parse(document, Loader=_Loader)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise _UnreadableError(f"nested more than {MAX_DEPTH} deep, which no Kubernetes object is")
        if count >= MAX_EVENTS:
            raise _UnreadableError("too large for one document: divide it with lines of ---")


def _find(found: object, prefix: str) -> Iterator[Finding]:
    """Give the ServiceAccounts of a document, and lines about what is wrong with it."""
    if found is None:  # nothing but comments
        return
    if not isinstance(found, dict) or not isinstance(found.get("kind"), str):
        yield "no Kubernetes object: it has no kind"
    elif found["kind"] == "List":
        items = found.get("items")
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict) and item.get("kind") == "ServiceAccount":
                yield from _read_service_account(item, prefix)
    elif found["kind"] == "ServiceAccount":
        yield from _read_service_account(found, prefix)


def _read_service_account(found: dict[str, object], prefix: str) -> Iterator[Finding]:
    metadata = found.get("metadata")
    if found.get("apiVersion") != "v1":
        yield "a ServiceAccount has apiVersion: v1"
        return
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        yield "a ServiceAccount without metadata.name"
        return
    name, namespace, uid = metadata["name"], metadata.get("namespace") or DEFAULT_NAMESPACE, metadata.get("uid")
    if not isinstance(namespace, str) or not is_valid_identity(namespace, name):
        yield f"ServiceAccount {quote(str(name))}: Kubernetes allows no such name or namespace"
        return
    who = f"ServiceAccount {namespace}/{name}"
    if uid and (not isinstance(uid, str) or not is_valid_uid(uid)):
        yield f"{who}: metadata.uid is no uid; without one, one is derived from the name"
        return
    annotations = metadata.get("annotations") or {}
    if not isinstance(annotations, dict):
        yield f"{who}: metadata.annotations is no mapping and was passed over"
        annotations = {}
    if _MERGE_KEY in metadata or _MERGE_KEY in annotations:
        yield f"{who}: YAML merge keys (<<) are not followed; write the annotations out"
    kept = select_annotations(annotations, prefix)
    for key in [key for key, value in kept.items() if not isinstance(value, str)]:
        yield f"{who}: annotation {quote(key)} is no text; write the subjects in one line, with commas"
        del kept[key]
    yield ServiceAccount(namespace, name, uid or derive_uid(namespace, name), kept)
