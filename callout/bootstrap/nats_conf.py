"""nats.conf: all that nats-server has to know of the deployment.

Source: https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/jwt/resolver, and
nats-server `server/opts.go`. Its language takes JSON for any value, but it knows no escape for Unicode
(`conf/lex.go`), so a path is written as it is.

Rules kept here:
- Nothing secret: JWTs are public, and the sentinel's opens nothing but the callout.
- A full resolver gets the accounts preloaded, too: at a start nats-server keeps whichever of the two is newer, so that
  a server that was down while a key was replaced comes back with the new one.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from callout.bootstrap import places
from callout.bootstrap.choices import Resolver
from callout.bootstrap.record import SENTINEL_USER, Deployment

RESOLVER_INTERVAL: Final = "2m"  # how often servers of a cluster compare their accounts; the documentation's value
PING_INTERVAL: Final = "5s"  # with PING_MAX, who does not answer is given up after 10 to 20 s, and not after minutes
PING_MAX: Final = 2
_HEAD: Final = """\
# Made by 'callout bootstrap'. Accounts are changed by that command; the rest is yours to add to: TLS, cluster, limits.
# Before nats-server listens on anything but the loopback address, give it TLS: tokens are passwords. With `timeout: 10`
# in the block tls, for storms, and `authorization { timeout: 2 }`, as without TLS: docs/kubernetes.md, "TLS".
# nats-server before 2.11.2 does not know default_sentinel: remove it there, and give clients creds/sentinel.creds.
"""


def describe_trust(deployment: Deployment, accounts: Mapping[str, str]) -> dict[str, object]:
    """The members that say whom to trust, but for the resolver; `accounts` has the JWTs by the accounts' names."""
    record, material = deployment.record, deployment.material
    return {
        "operator": material.operator_jwt,
        "system_account": record.account(record.choices.sys_account).public,
        "default_sentinel": material.credentials[SENTINEL_USER].jwt.reveal(),
        "resolver_preload": {one.public: accounts[one.name] for one in record.accounts},
    }


def describe_patience() -> dict[str, object]:
    """The members that say when who does not answer is given up: until then logins are handed to it, and lost."""
    return {"ping_interval": PING_INTERVAL, "ping_max": PING_MAX}


def describe_resolver(kind: Resolver, folder: str | None) -> object:
    """The member `resolver`; `folder` is left out where None."""
    if kind is Resolver.MEMORY:
        return "MEMORY"
    place = {} if folder is None else {"dir": folder}
    return {"type": "full", **place, "allow_delete": False, "interval": RESOLVER_INTERVAL}


def render_config(deployment: Deployment, accounts: Mapping[str, str], folder: Path) -> str:
    """Write nats.conf for a server that runs beside the folder, whose absolute path it holds."""
    choices = deployment.record.choices
    members = {
        "listen": choices.listen,
        **describe_patience(),
        "jetstream": {
            "store_dir": str(folder / places.STORE),
            "max_memory_store": choices.store_memory,
            "max_file_store": choices.store_disk,
        },
        **describe_trust(deployment, accounts),
        "resolver": describe_resolver(choices.resolver, str(folder / places.RESOLVER)),
    }
    return _HEAD + "".join(
        f"{name}: {json.dumps(value, indent=2, ensure_ascii=False)}\n" for name, value in members.items()
    )
