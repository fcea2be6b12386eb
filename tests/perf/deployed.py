"""A deployed set-up as the measuring scripts meet it: TLS on every listener, a service behind it, and who may ask.

In server mode accounts are those that docs/measure-a-cluster.md prints, to the letter. In operator mode they are those
that `callout bootstrap` and `python -m perf.account` make, requests are sealed, and a client needs the sentinel unless
the server gives it one.
"""

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from tests.authority import Authority
from tests.commands import BASH, Done, attempt
from tests.interop.bootstrapped import Server, bootstrap, read_env
from tests.interop.changing_cluster import ChangingCluster
from tests.interop.environments import Setting
from tests.nats_minting import NatsKey
from tests.pages import ROOT
from tests.service import Service
from tests.waiting import PATIENCE_SECONDS, until_sync

PAGE = ROOT / "docs/measure-a-cluster.md"
TOKENS = 8
SERVICE_PASSWORD = "not-a-secret"
LISTEN = "127.0.0.1:4222"
INCLUDE = "include perf/accounts.conf\n"
"""The last line of nats.conf for as long as somebody may ask."""
_MQTT = re.compile(r"Listening for MQTT clients on [a-z]+://127\.0\.0\.1:(\d+)")
_COMMANDS = re.compile(r"^```shell\n(.*?)^```", re.DOTALL | re.MULTILINE)
"""The one block of the page that prints accounts, and writes perf.login."""
_SENTINEL = re.compile(r"^default_sentinel: .*\n", re.MULTILINE)


class Deployed(msgspec.Struct, frozen=True):
    """Servers that run, and the files that a user would have.

    Attributes:
        folder: with nats.conf.
        authority: what the server's certificate is checked by.
        asking: the arguments that say who asks, and whom.
    """

    folder: Path
    server: Server
    service: Service
    authority: Authority
    tokens: Path
    asking: dict[str, str]

    def place(self, *listeners: str) -> dict[str, str]:
        """The arguments that say where it is: NATS, and besides ws and mqtt if they are wanted."""
        ports = self.server.read_ports()
        mqtt = until_sync(lambda: _MQTT.search(self.server.log.read_text()), PATIENCE_SECONDS, "MQTT is up")
        assert mqtt is not None
        urls = {"ws": ports["websocket"][0], "mqtt": f"tls://127.0.0.1:{mqtt[1]}"}
        return {
            "--nats-url": f"tls://127.0.0.1:{self.server.url.rpartition(':')[2]}",
            "--ca-file": str(self.authority.ca_file),
            "--tokens": str(self.tokens),
            **{f"--{name}-url": urls[name] for name in listeners},
        }

    def ask(self, script: str, *more: str, **instead: str) -> Any:
        """Run a script that asks straight at the subject; `instead` has arguments by their names, "" for none."""
        return report(script, self.place() | self.asking | name_arguments(instead), *more)

    def fail(self, script: str, **instead: str) -> str:
        """Run a script that fails at once, with arguments as for `ask`; return the one line that it says."""
        asking = {} if script == "storm" else self.asking
        return complaint(script, self.place() | asking | name_arguments(instead))

    def count(self, **labels: str) -> float:
        """How many requests the service has decided."""
        return self.service.metric("nats_auth_requests_total", **labels)


def name_arguments(instead: dict[str, str]) -> dict[str, str]:
    """Write `callout_account` as `--callout-account`."""
    return {f"--{name.replace('_', '-')}": value for name, value in instead.items()}


def run(script: str, arguments: dict[str, str], *more: str, as_json: bool = True, quiet: bool = True) -> Done:
    """Run a script as a user does; it never hangs and never shows a traceback."""
    words = [f"{name}={value}" for name, value in arguments.items() if value]
    words += ["--json"] * as_json + ["--quiet"] * quiet
    done = attempt([sys.executable, "-m", f"perf.{script}", *words, *more])
    assert "Traceback" not in done.stderr, done.stderr
    return done


def report(script: str, arguments: dict[str, str], *more: str) -> Any:
    """Run a script that succeeds, and says nothing but its report."""
    done = run(script, arguments, *more)
    assert (0, "") == (done.returncode, done.stderr), done.stderr
    return json.loads(done.stdout)


def complaint(script: str, arguments: dict[str, str], *more: str) -> str:
    """Run a script that fails, and return the one line that it says."""
    (line,) = complaints(script, arguments, *more)
    return line


def complaints(script: str, arguments: dict[str, str], *more: str) -> list[str]:
    """Run a script that fails, and return the lines that it says."""
    done = run(script, arguments, *more)
    assert (1, "") == (done.returncode, done.stdout), done.stdout + done.stderr
    return done.stderr.splitlines()


@contextmanager
def deploy(setting: Setting, folder: Path) -> Iterator[Deployed]:
    """Run server and service inside the block; sealed requests are the setting's xkey."""
    home = folder / "nats"
    authority = Authority(folder, hosts=("nats.example",))
    cluster = ChangingCluster(folder)
    cluster.put("orders", "checkout")
    tokens = folder / "tokens"
    tokens.write_text("".join(f"{cluster.token('orders', 'checkout')}\n" for _ in range(TOKENS)))
    if setting.mode == "server":
        variables, asking = declare_in_config(home)
    else:
        variables, asking = _declare_by_jwt(home, setting)
    config = home / "nats.conf"
    config.write_text(_listeners(authority) + config.read_text())
    with Server(setting.binary.path, home) as server:
        address = f"127.0.0.1:{server.url.rpartition(':')[2]}"
        login = variables.pop("login", "")
        given = variables | {
            "NATS_URL": f"tls://{login}{address}",
            "NATS_TLS_CA_FILE": str(authority.ca_file),
            "NATS_WORKERS": "1",
            "HTTP_HOST": "127.0.0.1",
        }
        with Service(given | cluster.variables) as service:
            asyncio.run(service.ready())
            yield Deployed(home, server, service, authority, tokens, asking)
            assert 0 == asyncio.run(service.stop())
        assert [] == service.plain_lines
        assert [] == service.log_lines(level="error")


def declare_in_config(home: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Make the accounts of the page, with those of docs/server-mode.md around them; return what both sides need."""
    home.mkdir()
    issuer = NatsKey.generate("account")
    (commands,) = _COMMANDS.findall(PAGE.read_text())
    done = attempt([*BASH, commands], cwd=home)
    assert (0, "") == (done.returncode, done.stderr)
    rights = {"subscribe": ["$SYS.REQ.USER.AUTH"], "publish": ["$SYS._INBOX.>"]}
    user = {"user": "callout", "password": SERVICE_PASSWORD, "permissions": rights}
    accounts = done.stdout.replace("# … the service's user", f"users: [{json.dumps(user)}]")
    accounts = accounts.replace("accounts {\n", 'accounts {\n  APP { jetstream: "enabled" }\n  SYS {}\n')
    callout = {"issuer": issuer.public, "account": "AUTH", "auth_users": ["callout", "perf"]}
    (home / "nats.conf").write_text(
        f"listen: {json.dumps(LISTEN)}\n"
        f"jetstream: {json.dumps({'store_dir': str(home / 'jetstream')})}\n"
        f"{accounts}"
        "system_account: SYS\n"
        f"authorization: {json.dumps({'auth_callout': callout})}\n"
    )
    (home / "signing.nk").write_text(issuer.seed)
    variables = {
        "NATS_ACCOUNT": "APP",
        "NATS_SIGNING_KEY_FILE": str(home / "signing.nk"),
        "login": f"callout:{SERVICE_PASSWORD}@",
    }
    return variables, {"--creds": str(home / "perf.login"), "--callout-account": issuer.public}


def _declare_by_jwt(home: Path, setting: Setting) -> tuple[dict[str, str], dict[str, str]]:
    """Let the product's own commands make everything, and do what the second says is next."""
    bootstrap(home, "--listen", LISTEN, *(["--xkey"] if setting.xkey else []))
    asking = add_account(home)
    config = home / "nats.conf"
    text = config.read_text() + INCLUDE
    config.write_text(text if setting.mode == "operator-default-sentinel" else _SENTINEL.sub("", text))
    return read_env(home), asking


def add_account(home: Path) -> dict[str, str]:
    """Run `python -m perf.account`; return the arguments that it says a script takes."""
    done = run_account(home)
    assert (0, "") == (done.returncode, done.stderr)
    words = done.stdout[done.stdout.index("python -m perf.load") :].split()
    return {name: words[words.index(name) + 1] for name in ("--creds", "--callout-account", "--xkey") if name in words}


def run_account(home: Path, *options: str) -> Done:
    """Run `python -m perf.account` as a user does."""
    return attempt([sys.executable, "-m", "perf.account", str(home), *options])


def _listeners(authority: Authority) -> str:
    """All listeners with TLS, on any ports that are free; MQTT wants the server to have a name."""
    tls = {"cert_file": str(authority.chain_file), "key_file": str(authority.chain_file)}
    listener = {"host": "127.0.0.1", "port": -1, "tls": tls}
    members = {"server_name": "deployed", "tls": tls, "websocket": listener, "mqtt": listener}
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in members.items())
