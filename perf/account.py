"""An account that may ask the service, for a deployment in operator mode that `callout bootstrap` has made.

It writes the folder `perf` into the deployment's own: what nats-server has to know for as long as something is measured
straight at the subject, and the credentials of the user who asks. Nothing else in the deployment's folder changes, and
what was written before is written anew, with other keys.
"""

import argparse
import json
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from callout.bootstrap.accounts import declare_accounts, issue_accounts
from callout.bootstrap.choices import Resolver
from callout.bootstrap.environment import find_server
from callout.bootstrap.loading import load
from callout.bootstrap.places import CONFIG, creds_of
from callout.bootstrap.record import ADMINISTRATOR, Deployment
from callout.bootstrap.yaml_text import render_yaml
from callout.demo.config import draw_key, write_private
from callout.errors import CommandError
from callout.files import reason_of
from callout.nats_jwt import Account, Export, Import, Permissions, User, issue_account, issue_user, render_creds
from callout.secret import Secret
from perf.requests import ASKING_SUBJECT, INBOX, SUBJECT
from workers.nkeys import Kind

NAME: Final = "PERF"
FOLDER: Final = "perf"
PRELOAD: Final = "accounts.conf"
VALUES: Final = "helm.yaml"
CREDENTIALS: Final = "perf.creds"
ASKS: Final = "perf.jwt"
ANSWERS: Final = "service.jwt"
"""The two accounts by themselves, for a full resolver, which has to know the one that asks first."""
BEFORE: Final = "before.jwt"
"""The callout's account as it was, issued after the one that imports."""
_ANSWERS: Final = f"{INBOX}.>"


class Asking(msgspec.Struct, frozen=True):
    """What is written.

    Attributes:
        preload: JWTs of all accounts by their public keys, for the memory resolver.
        service, perf, before: JWTs of the callout's account with the imports, of the account that asks, and of the
            callout's account as it was.
        changed: `preload` as far as it differs from the deployment's own.
        credentials: of the user who asks.
    """

    preload: dict[str, str]
    service: str
    perf: str
    before: str
    changed: dict[str, str]
    credentials: Secret


def main(arguments: Sequence[str] | None = None) -> int:
    """Write, and say what is next."""
    about, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(prog="python -m perf.account", description=about, epilog=rest.strip())
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="that `callout bootstrap` has made")
    folder = parser.parse_args(arguments).folder.absolute()
    try:
        deployment = load(folder)
        write(folder / FOLDER, prepare(deployment, int(time.time())))
    except CommandError as error:
        sys.stderr.write("".join(f"error: {line}\n" for line in error.lines))
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"error: {folder / FOLDER} cannot be written: {reason_of(error)}\n")
        return 1
    print("\n".join(say_next(deployment, folder)))
    return 0


def prepare(deployment: Deployment, now: int) -> Asking:
    """Make the account that asks, and the callout's own with what it imports and exports; `now` in Unix seconds.

    The answers to nats-servers are not among what is exported: they go to other inboxes.
    """
    record = deployment.record
    operator = deployment.material.signing[record.operator.signing[-1].public]
    service = record.account(record.choices.service_account)
    now = max(now, service.issued_at + 1)  # a full resolver keeps whichever is newer
    was = declare_accounts(record)[service.name]
    account, user = draw_key(Kind.ACCOUNT), draw_key(Kind.USER)
    asks = Account(
        exports=(Export(ASKING_SUBJECT, "stream", "perf requests"),),
        imports=(Import(_ANSWERS, service.public, "stream", "perf answers"),),
    )
    answers = msgspec.structs.replace(
        was,
        exports=(*was.exports, Export(_ANSWERS, "stream", "perf answers")),
        imports=(*was.imports, Import(ASKING_SUBJECT, account.public, "stream", "perf requests", SUBJECT)),
    )
    rights = User(pub=Permissions(allow=(ASKING_SUBJECT,)), sub=Permissions(allow=(_ANSWERS,)))
    jwt = issue_user(account, user.public, rights, name="perf", issued_at=now)
    changed = {
        service.public: issue_account(operator, service.public, answers, name=service.name, issued_at=now),
        account.public: issue_account(operator, account.public, asks, name=NAME, issued_at=now),
    }
    others = issue_accounts(deployment)
    return Asking(
        preload={one.public: others[one.name] for one in record.accounts} | changed,
        service=changed[service.public],
        perf=changed[account.public],
        before=issue_account(operator, service.public, was, name=service.name, issued_at=now + 1),
        changed=changed,
        credentials=render_creds(jwt, Secret(user.encode_seed())),
    )


def write(folder: Path, asking: Asking) -> None:
    """Write all files; `OSError` if that fails."""
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / PRELOAD).write_text(f"resolver_preload: {json.dumps(asking.preload, indent=2)}\n")
    (folder / VALUES).write_text(render_yaml({"config": {"merge": {"resolver_preload": asking.changed}}}))
    (folder / ANSWERS).write_text(asking.service)
    (folder / ASKS).write_text(asking.perf)
    (folder / BEFORE).write_text(asking.before)
    write_private(folder / CREDENTIALS, asking.credentials)


def say_next(deployment: Deployment, folder: Path) -> list[str]:
    """Say how nats-server learns of the account, how to ask, and how everything is as before."""
    record, place = deployment.record, folder / FOLDER
    choices = record.choices
    server = f"nats://{find_server(choices.listen)}"
    tell = f"nats --server {shlex.quote(server)} --creds {shlex.quote(str(folder / creds_of(ADMINISTRATOR)))}"
    if choices.resolver is Resolver.FULL:
        request = f"{tell} request '$SYS.REQ.CLAIMS.UPDATE'"
        learn = [f'{request} "$(cat {shlex.quote(str(place / name))})"' for name in (ASKS, ANSWERS)]
        forget = [f'{request} "$(cat {shlex.quote(str(place / BEFORE))})"']
    else:
        learn = [
            f"add the last line 'include {FOLDER}/{PRELOAD}' to {folder / CONFIG}; nats-server --signal reload",
            f"or helm upgrade nats nats/nats --namespace {choices.namespace} --reuse-values -f {place / VALUES}",
        ]
        forget = [
            "take that line out again; nats-server --signal reload",
            f"or helm rollback nats --namespace {choices.namespace}",
        ]
    service = record.account(choices.service_account).public
    xkey = f" --xkey {record.xkey}" if record.xkey else ""
    return [
        f"{place} has the account {NAME}, which may ask the service. nats-server learns of it:",
        *(f"  {line}" for line in learn),
        "Ask, with addresses that are yours:",
        f"  python -m perf.load --nats-url {server} --tokens tokens --creds {shlex.quote(str(place / CREDENTIALS))} \\",
        f"    --callout-account {service}{xkey}",
        "Afterwards:",
        *(f"  {line}" for line in forget),
        f"  rm -r {shlex.quote(str(place))}",
    ]


if __name__ == "__main__":
    sys.exit(main())
