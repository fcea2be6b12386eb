"""The files of a deployment's folder, as texts by their relative paths.

Rules kept here:
- Pure: the same deployment in the same place gives the same files, to the byte.
- Material (seeds, credentials, the operator's JWT) is written once and read back from then on. All other files can be
  made again from it.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from callout.bootstrap import places
from callout.bootstrap.accounts import issue_accounts
from callout.bootstrap.choices import Resolver
from callout.bootstrap.environment import render_environment
from callout.bootstrap.helm_values import render_callout_values, render_nack_values, render_nats_values
from callout.bootstrap.nats_conf import render_config
from callout.bootstrap.record import NACK, Deployment
from callout.bootstrap.secret_objects import render_secrets
from callout.bootstrap.text import render_offline_readme, render_readme
from callout.nats_jwt import render_creds
from callout.secret import Secret
from workers.nkeys import KeyPair


class File(msgspec.Struct, frozen=True):
    """A file: its text, and whether its owner alone may read it."""

    text: Secret
    private: bool = False


Files = Mapping[str, File]


def render_material(deployment: Deployment) -> Files:
    """Write the files that cannot be made again."""
    record, material = deployment.record, deployment.material
    files = {places.jwt_of(record.operator.name): _public(material.operator_jwt + "\n")}
    for member in (record.operator, *record.accounts):
        for key in member.signing:
            files[places.seed_of(member.name, key.number)] = _seed(material.signing[key.public])
    for name, one in material.credentials.items():
        text = render_creds(one.jwt.reveal(), Secret(one.key.encode_seed()))
        files[places.creds_of(name)] = File(text, private=True)
    if material.curve is not None:
        files[places.XKEY] = _seed(material.curve)
    return files


def render_rest(deployment: Deployment, folder: Path) -> Files:
    """Write the files that can be made again; `folder` is the absolute path that they stand in."""
    record = deployment.record
    accounts = issue_accounts(deployment)
    files = {
        places.RECORD: _public(msgspec.json.format(msgspec.json.encode(record), indent=2).decode() + "\n"),
        places.README: _public(render_readme(record)),
        places.CONFIG: _public(render_config(deployment, accounts, folder)),
        places.ENVIRONMENT: _public(render_environment(record, folder)),
        places.SECRETS: File(render_secrets(deployment), private=True),
        places.NATS_VALUES: _public(render_nats_values(deployment, accounts)),
        places.CALLOUT_VALUES: _public(render_callout_values(deployment)),
    }
    if NACK in record.users:
        files[places.NACK_VALUES] = _public(render_nack_values(deployment))
    return files | {places.jwt_of(name): _public(jwt + "\n") for name, jwt in accounts.items()}


def render_first(deployment: Deployment, roots: Mapping[str, KeyPair]) -> Files:
    """Write the files that are written once and never looked at again.

    They are the keys that may leave the machine, and a full resolver's folder, which is nats-server's from then on.
    """
    record = deployment.record
    files = {places.root_of(name): _seed(key) for name, key in roots.items()}
    files[f"{places.OFFLINE}/{places.README}"] = _public(render_offline_readme(record))
    if record.choices.resolver is Resolver.FULL:
        for name, jwt in issue_accounts(deployment).items():
            files[places.resolved(record.account(name).public)] = _public(jwt)
    return files


def _public(text: str) -> File:
    return File(Secret(text))


def _seed(key: KeyPair) -> File:
    return File(Secret(key.encode_seed() + "\n"), private=True)
