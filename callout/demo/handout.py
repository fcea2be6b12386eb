"""What the demo's user gets to try: tokens and settings as files, and commands that use them, ready to paste.

A token stands in a file, as it does in a pod, and the command reads it from there into its environment: so no token is
printed, none shows in the list of processes, and a command stays short enough to be read before it is pasted.
"""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from callout.demo.config import write_private
from callout.demo.scenarios import CHECKOUT, INVOICER
from callout.demo.tokens import DAY, Tokens
from callout.secret import Secret

_WORTH_READING: Final = ("service.log", "nats.log")  # nats.conf stands beside them, and holds the service's password


def hand_out(
    folder: Path, url: str, tokens: Tokens, settings: Mapping[str, str], example: str, evidence: Sequence[str] = ()
) -> list[str]:
    """Write the files, and return the commands, each of one or more lines; they work in any folder.

    Args:
        folder: private.
        url: where clients connect.
        tokens: makes them.
        settings: the service's environment.
        example: the ServiceAccount, `<namespace>/<name>`, that is worth explaining.
        evidence: options with what the doctor can look at besides, so that less stays unknown.
    """
    environment = folder / "settings.env"
    lines = (f"{name}={shlex.quote(value)}\n" for name, value in settings.items())
    write_private(environment, Secret("".join(lines)))
    with_settings = f"(set -a; . {shlex.quote(str(environment))}\n  {_own_command()}"
    return [
        _talk(folder, url, tokens, INVOICER, "sub orders.created"),
        _talk(folder, url, tokens, CHECKOUT, "pub orders.created hello"),
        f"{with_settings} explain --serviceaccount {example})",
        f"{with_settings} doctor --live {shlex.join(['--token', str(_token_of(folder, CHECKOUT)), *evidence])})",
        f"tail {' '.join(shlex.quote(str(folder / name)) for name in _WORTH_READING)}",
    ]


def _talk(folder: Path, url: str, tokens: Tokens, who: str, action: str) -> str:
    file = write_private(_token_of(folder, who), tokens.mint(who, lifetime=DAY))
    return f'NATS_TOKEN="$(cat {shlex.quote(file)})" \\\n  nats --server {url} {action}'


def _token_of(folder: Path, who: str) -> Path:
    return folder / f"{who.rpartition('/')[2]}.token"


def _own_command() -> str:
    """Say how this program is called from any folder: it stands beside the interpreter."""
    return shlex.quote(str(Path(sys.executable).absolute().with_name("callout")))
