"""`callout bootstrap`: a whole operator-mode deployment in one folder, made without nsc, and kept.

Run again it changes nothing. Exit code 2: the options or the folder are wrong, and nothing was written.
"""

import argparse
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from callout.bootstrap import folder as disk
from callout.bootstrap import places
from callout.bootstrap.choices import OPTIONS, Choices, choose, differences
from callout.bootstrap.contents import Files, render_first, render_material, render_rest
from callout.bootstrap.loading import load
from callout.bootstrap.nsc_commands import list_commands
from callout.bootstrap.nsc_store import read_store
from callout.bootstrap.record import Deployment, Record, begin
from callout.bootstrap.rotation import check_patience, retire, rotate
from callout.bootstrap.text import (
    say_made,
    say_measuring,
    say_retired,
    say_rotated,
    say_still_signing,
    say_unchanged,
)
from callout.errors import EXIT_WRONG_USAGE, CommandError, print_problems
from callout.secret import Secret, quote
from workers.nkeys import KeyPair, Kind

_SEED_SIZE: Final = 32  # bytes (RFC 8032)
_GIVE_FOLDER: Final = "give the path of a new folder, or of one that this command has made"
_T = TypeVar("_T")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("folder", metavar="FOLDER", nargs="?", help="where to make it, or where it was made")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--rotate", metavar="ACCOUNT", help="give this account a new signing key; the old one stays valid"
    )
    what.add_argument(
        "--retire", metavar="ACCOUNT", help="take its old signing key away from it, an hour after --rotate or later"
    )
    what.add_argument(
        "--from-nsc", metavar="DIR", help="read this nsc store and say which nsc commands get it the same"
    )
    parser.add_argument(
        "--now", action="store_true", help="with --retire: sooner, which ends the logins that the old key signed"
    )
    defaults = Choices()
    for option in OPTIONS:
        if option.parse is None:
            parser.add_argument(option.flag, action="store_true", default=None, help=option.about)
        else:
            about = f"{option.about} (default: {option.show(getattr(defaults, option.field))})"
            parser.add_argument(option.flag, metavar=option.metavar, help=about)
    parser.epilog = "The folder remembers its options: leave them out when it was made before."


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    given = _read_options(args)
    if args.now and args.retire is None:
        raise _wrong("--now goes with --retire alone; leave it out")
    if args.from_nsc is not None:
        if args.folder is not None:
            raise _wrong("--from-nsc writes nothing; leave FOLDER out")
        choices = _attempt(lambda: choose(given, Choices()))
        return _say(list_commands(read_store(Path(args.from_nsc), args.operator), choices))
    if args.folder is None:
        raise _wrong(f"FOLDER is missing; {_GIVE_FOLDER}")
    folder = _find_folder(args.folder)
    if not disk.is_made(folder):
        if args.rotate or args.retire:
            raise _wrong(f"{folder} was not made yet; run this command without --rotate and --retire first")
        return _make(folder, _attempt(lambda: choose(given, Choices())))
    with disk.locked(folder):
        return _keep(folder, args, given)


def _keep(folder: Path, args: argparse.Namespace, given: Mapping[str, object]) -> int:
    """Do what is asked with a folder that was made before."""
    found = load(folder)
    differing = differences(given, found.record.choices)
    if differing:
        raise _wrong(f"{folder} was made with {'; '.join(differing)}; leave that out, or make another folder")
    if args.rotate is None and args.retire is None:
        return _check(folder, found)
    if (folder / places.MEASURING).exists():  # it holds all accounts as they are, and nats-server may go on reading it
        raise _wrong(say_measuring(folder))
    if args.rotate is not None:
        return _rotate(folder, found, args.rotate)
    return _retire(folder, found, args.retire, is_urgent=args.now)


def _make(folder: Path, choices: Choices) -> int:
    deployment, roots = begin(choices, draw_key, int(time.time()))
    disk.create(folder, {**_render(deployment, folder), **render_first(deployment, roots)})
    return _say(say_made(deployment.record, folder))


def _check(folder: Path, found: Deployment) -> int:
    """Leave everything as it is, but for files that are gone and can be made again."""
    files = _render(found, folder)
    missing, changed = disk.compare(folder, files)
    disk.restore(folder, {name: files[name] for name in missing})
    exposed = disk.find_exposed(folder, files)
    print_problems(
        (),
        [
            *(f"{folder / name} is not as it was made; it was left as it is" for name in changed),
            *(f"{folder / name} has a mode that lets others read it; chmod 600 it" for name in exposed),
        ],
    )
    return _say(say_unchanged(found.record, folder, missing, is_edited=bool(changed)))


def _rotate(folder: Path, found: Deployment, name: str) -> int:
    key = draw_key(Kind.ACCOUNT)
    record = _attempt(lambda: rotate(found.record, name, key.public, int(time.time())))
    edited = _change(folder, found, record, found.material.signing | {key.public: key})
    return _say(say_rotated(record, name, folder, edited))


def _retire(folder: Path, found: Deployment, name: str, *, is_urgent: bool) -> int:
    now = int(time.time())
    record, old = _attempt(lambda: retire(found.record, name, now))
    seeds = {
        places.ENVIRONMENT: Secret(places.seed_of(name, old.number)),
        places.SECRETS: Secret(found.material.signing[old.public].encode_seed()),
    }
    for holder in disk.find_holders(folder, seeds):
        is_new_beside = (folder / (holder + places.NEW)).exists()
        raise _wrong(say_still_signing(found.record, name, folder / holder, is_new_beside=is_new_beside))
    if not is_urgent:
        _attempt(lambda: check_patience(found.record, name, now))
    edited = _change(folder, found, record, found.material.signing)
    return _say(say_retired(record, name, old, folder, edited))


def _change(folder: Path, found: Deployment, record: Record, signing: dict[str, KeyPair]) -> list[str]:
    """Bring the folder to the new record; return the files that were edited and have a new version beside."""
    material = msgspec.structs.replace(found.material, signing=signing)
    beside = disk.change(folder, _render(found, folder), _render(Deployment(record, material), folder))
    print_problems(
        (),
        [
            f"{folder / name} was edited and was left as it is; carry the edits over to {name}{places.NEW}, "
            "and take that"
            for name in beside
        ],
    )
    return beside


def _render(deployment: Deployment, folder: Path) -> Files:
    return {**render_material(deployment), **render_rest(deployment, folder)}


def _find_folder(text: str) -> Path:
    """Return the absolute path. It is written into configuration and commands, line by line."""
    try:
        folder = Path(text).resolve()
    except (RuntimeError, ValueError):  # symbolic links that lead to each other; a null byte
        raise _wrong(f"FOLDER: {quote(text)} leads nowhere; {_GIVE_FOLDER}") from None
    if not text or not str(folder).isprintable():
        raise _wrong(f"FOLDER: {quote(text)} is not possible; {_GIVE_FOLDER}, without characters that nobody can see")
    return folder


def _read_options(args: argparse.Namespace) -> dict[str, object]:
    """Read the options that were given, by their names in `Choices`."""
    given: dict[str, object] = {}
    problems = []
    for option in OPTIONS:
        text = getattr(args, option.field)
        if text is None:
            continue
        try:
            given[option.field] = text if option.parse is None else option.parse(text)
        except ValueError as error:
            problems.append(f"{option.flag}: {quote(text)} is not possible; give {error}")
    if problems:
        raise CommandError(*problems, exit_code=EXIT_WRONG_USAGE)
    return given


def _attempt(step: Callable[[], _T]) -> _T:
    try:
        return step()
    except ValueError as error:  # its text is made for the user
        raise _wrong(str(error)) from None


def draw_key(kind: Kind) -> KeyPair:
    """Make a new key, as random as the system can."""
    return KeyPair(kind, secrets.token_bytes(_SEED_SIZE))


def _say(lines: Sequence[str]) -> int:
    print(*lines, sep="\n")
    return 0


def _wrong(line: str) -> CommandError:
    return CommandError(line, exit_code=EXIT_WRONG_USAGE)
