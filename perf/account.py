"""An account that may ask the service, for a deployment in operator mode that `callout bootstrap` has made.

It writes the folder `perf` into the deployment's own: what nats-server has to know for as long as something is measured
straight at the subject, and the credentials of the user who asks. Nothing else in the deployment's folder changes, and
what was written before is written anew, with other keys. With `--undo` it says how all is as before.
"""

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from callout.bootstrap import places
from callout.bootstrap.choices import Resolver
from callout.bootstrap.environment import find_server
from callout.bootstrap.folder import locked
from callout.bootstrap.loading import MAX_BYTES, load
from callout.bootstrap.record import ADMINISTRATOR, Deployment, Record
from callout.bootstrap.yaml_text import render_yaml
from callout.demo.config import write_private
from callout.doctor.nats_claims import read_account
from callout.errors import EXIT_WRONG_USAGE, CommandError
from callout.files import read_bounded, reason_of
from callout.secret import Secret
from perf.admission import LIFETIME_S, NAME, Admission, Ending, admit, end
from perf.commandline.ending import end_in_order

FOLDER: Final = places.MEASURING
PRELOAD: Final = "accounts.conf"
VALUES: Final = "helm.yaml"
CREDENTIALS: Final = "perf.creds"
ASKS: Final = "perf.jwt"
ANSWERS: Final = "service.jwt"
"""The two accounts by themselves, for a full resolver, which has to know the one that asks first."""
ASKS_NO_MORE: Final = "perf-closed.jwt"
ANSWERS_NO_MORE: Final = "service-alone.jwt"
"""The same at the end; there the callout's own comes first, so that it imports nothing that is not there."""
_UNTRIED: Final = "or in a cluster, which was not tried"


class Former(msgspec.Struct, frozen=True):
    """What was written before, and servers may have.

    Attributes:
        perf: public key of the account that asks; empty if what lets it ask is not all there.
        issued_at: when the latest of it was issued, be it what ends it.
    """

    perf: str
    issued_at: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Write, and say what is next."""
    about, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(prog="python -m perf.account", description=about, epilog=rest.strip())
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="that `callout bootstrap` has made")
    parser.add_argument(
        "--undo", action="store_true", help="say how nobody may ask any more, and write what that takes"
    )
    options = parser.parse_args(arguments)

    def work() -> int:
        try:
            folder = options.folder.resolve()
            made = (folder / places.RECORD).is_file()
        except OSError as error:
            raise _wrong(f"{options.folder} cannot be read: {reason_of(error)}") from None
        except RuntimeError:  # `Path.resolve`, of Python before 3.13
            raise _wrong(f"{options.folder} cannot be read: symbolic links lead in a circle") from None
        if not made:
            raise _wrong(f"{folder} is no folder that `callout bootstrap` has made")
        try:
            with locked(folder):
                lines = _undo(folder) if options.undo else _make(folder)
        except OSError as error:
            raise CommandError(f"{folder / FOLDER} cannot be written: {reason_of(error)}") from None
        print("\n".join(lines))
        return 0

    return end_in_order(work)


def _make(folder: Path) -> list[str]:
    place = folder / FOLDER
    deployment, former = load(folder), maybe_read_former(place)
    admission = admit(deployment, int(time.time()), after=former.issued_at if former else 0)
    write(place, render(admission))
    return say_next(deployment, folder)


def _undo(folder: Path) -> list[str]:
    place = folder / FOLDER
    deployment = load(folder)
    if not place.is_dir():
        raise _wrong(f"{place} is not there: nobody may ask")
    if deployment.record.choices.resolver is Resolver.FULL:
        former = maybe_read_former(place)
        if former is None or not former.perf:
            raise _wrong(f"{place} is not whole; make it anew without --undo, do what that says, and undo it then")
        write(place, render_ending(end(deployment, former.perf, int(time.time()), after=former.issued_at)))
    return say_undo(deployment.record, folder)


def maybe_read_former(place: Path) -> Former | None:
    """Read what was written before; None if that is nothing.

    Raises:
        CommandError: it cannot be read.
    """
    found = {}
    for name in (ASKS, ANSWERS, ASKS_NO_MORE, ANSWERS_NO_MORE):
        try:
            found[name] = read_account(read_bounded(place / name, MAX_BYTES).decode())
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            reason = reason_of(error) if isinstance(error, OSError) else error
            raise _wrong(f"{place} cannot be read: {reason}; move it away") from None
    if not found:
        return None
    perf = found[ASKS].key if {ASKS, ANSWERS} <= found.keys() else ""
    return Former(perf, max(account.issued_at for account in found.values()))


def render(admission: Admission) -> dict[str, Secret]:
    """Write the files that let somebody ask."""
    return {
        PRELOAD: Secret(f"resolver_preload: {json.dumps(admission.preload, indent=2)}\n"),
        VALUES: Secret(render_yaml({"config": {"merge": {"resolver_preload": admission.changed}}})),
        ANSWERS: Secret(admission.service),
        ASKS: Secret(admission.perf),
        CREDENTIALS: admission.credentials,
    }


def render_ending(ending: Ending) -> dict[str, Secret]:
    """Write the files that end it."""
    return {ANSWERS_NO_MORE: Secret(ending.service), ASKS_NO_MORE: Secret(ending.perf)}


def write(place: Path, files: Mapping[str, Secret]) -> None:
    """Write all files into a folder that is its owner's alone, each as a new one; `OSError` if that fails."""
    place.mkdir(mode=0o700, exist_ok=True)
    opened = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(opened, 0o700)
    finally:
        os.close(opened)
    for name, text in files.items():
        write_private(place / name, text)


def say_next(deployment: Deployment, folder: Path) -> list[str]:
    """Say how nats-server learns of the account, how to ask, and how all is as before."""
    record, place = deployment.record, folder / FOLDER
    choices = record.choices
    if choices.resolver is Resolver.FULL:
        learn = _push(record, folder, ASKS, ANSWERS)
    else:
        values = shlex.quote(str(place / VALUES))
        learn = [
            f"add the last line 'include {FOLDER}/{PRELOAD}' to {folder / places.CONFIG}, and",
            "nats-server --signal reload=PID, with the process id of the server that reads it",
            f"{_UNTRIED}: note the last revision of helm history nats --namespace {choices.namespace}, and its chart's",
            "VERSION; then",
            f"helm upgrade nats nats/nats --version VERSION --namespace {choices.namespace} --reuse-values -f {values}",
        ]
    service = record.account(choices.service_account).public
    xkey = f" --xkey {record.xkey}" if record.xkey else ""
    return [
        f"{place} has the account {NAME}, which may ask the service for {LIFETIME_S // 3600} hours.",
        "nats-server learns of it, and has to learn again if this command is run again, which draws other keys:",
        *(f"  {line}" for line in learn),
        "Ask, with addresses that are yours:",
        f"  python -m perf.load --nats-url {_find_url(record)} --tokens tokens \\",
        f"    --creds {shlex.quote(str(place / CREDENTIALS))} --callout-account {service}{xkey}",
        "Afterwards, and before a signing key is replaced:",
        f"  python -m perf.account {shlex.quote(str(folder))} --undo",
    ]


def say_undo(record: Record, folder: Path) -> list[str]:
    """Say how all is as before."""
    place = folder / FOLDER
    if record.choices.resolver is Resolver.FULL:
        forget = _push(record, folder, ANSWERS_NO_MORE, ASKS_NO_MORE)
    else:
        forget = [
            f"take the line 'include {FOLDER}/{PRELOAD}' out of {folder / places.CONFIG}, and",
            "nats-server --signal reload=PID, with the process id of the server that reads it",
            f"{_UNTRIED}: helm rollback nats REVISION --namespace {record.choices.namespace}, the one that was noted",
        ]
    return [
        f"Nobody may ask any more when nats-server has learnt that {NAME} is gone:",
        *(f"  {line}" for line in forget),
        "Then:",
        f"  rm -r {shlex.quote(str(place))}",
    ]


def _push(record: Record, folder: Path, *names: str) -> list[str]:
    """Say how a full resolver is given accounts."""
    creds = shlex.quote(str(folder / places.creds_of(ADMINISTRATOR)))
    request = f"nats --server {_find_url(record)} --creds {creds} request '$SYS.REQ.CLAIMS.UPDATE'"
    return [f'{request} "$(cat {shlex.quote(str(folder / FOLDER / name))})"' for name in names]


def _find_url(record: Record) -> str:
    return shlex.quote(f"nats://{find_server(record.choices.listen)}")


def _wrong(line: str) -> CommandError:
    return CommandError(line, exit_code=EXIT_WRONG_USAGE)


if __name__ == "__main__":
    sys.exit(main())
