"""callout.env: the settings of `callout serve` for the server of nats.conf, with secrets by the paths of their files.

Rules kept here:
- It is read by a shell (`set -a; . callout.env`) and by systemd (EnvironmentFile): values that need it
  are quoted.
- No secret stands in it.
"""

import shlex
from pathlib import Path

from callout.bootstrap import places
from callout.bootstrap.record import SERVICE, Record

_HEAD = """\
# Made by 'callout bootstrap': settings of 'callout serve' for the server of nats.conf. Use it with
#   set -a; . callout.env; set +a; callout serve
# Whose tokens are verified is not said here: see K8S_IN_CLUSTER, KUBECONFIG and JWKS_URL in 'callout config --help'.
# Keep settings of your own in a file beside this one, read after it: this one is made anew when a key is rotated.
"""
_ALL_ADDRESSES = ("0.0.0.0", "[::]", "::")  # noqa: S104  # compared with, not listened on


def describe_service(record: Record, folder: Path) -> dict[str, str]:
    """The settings, with absolute paths in `folder`."""
    choices = record.choices
    service, clients = record.account(choices.service_account), record.account(choices.client_account)
    settings = {
        "NATS_URL": f"nats://{find_server(choices.listen)}",
        "NATS_MODE": "operator",
        "NATS_ACCOUNT": clients.public,
        "NATS_USER_CREDS_FILE": places.creds_of(SERVICE),
        "NATS_SIGNING_KEY_FILE": places.seed_of(service.name, service.signing[-1].number),
        "NATS_ACCOUNT_SIGNING_KEY_FILE": places.seed_of(clients.name, clients.signing[-1].number),
    }
    if record.xkey:
        settings["NATS_XKEY_FILE"] = places.XKEY
    return {name: str(folder / value) if name.endswith("_FILE") else value for name, value in settings.items()}


def render_environment(record: Record, folder: Path) -> str:
    """Write callout.env."""
    return _HEAD + "".join(f"{name}={shlex.quote(value)}\n" for name, value in describe_service(record, folder).items())


def find_server(listen: str) -> str:
    """Say how a client on the same machine reaches a server that listens there."""
    host, _, port = listen.rpartition(":")
    return f"127.0.0.1:{port}" if host in _ALL_ADDRESSES else listen
