"""k8s/examples/production at work, in both modes: three nats-servers in a cluster, and one worker of the callout."""

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
import pytest
import yaml

from tests.authority import Authority
from tests.commands import Done, attempt
from tests.e2e.chart.systems import (
    OPERATOR_MODE,
    SERVER_MODE,
    THREE_SERVERS,
    Server,
    System,
    address_of,
    follow_page,
    read_secret,
    read_section,
    run_system,
)
from tests.e2e.nats_cli import NatsCli
from tests.e2e.server_process import HeldPort
from tests.pages import ROOT
from tests.service import Service
from tests.waiting import PATIENCE_SECONDS, until_sync

EXAMPLES: Final = {
    one.mode: msgspec.structs.replace(one, nats=(*one.nats, THREE_SERVERS)) for one in (SERVER_MODE, OPERATOR_MODE)
}
WORKER: Final = "nats-k8s-oidc-callout worker"
"""How its connection is called."""
Credentials: TypeAlias = "Callable[[System, Path], dict[str, str]]"
"""What a server that is none of them has for its routes; the folder is for files."""
STRANGER: Final = "stranger"
PASSWORD: Final = "not-a-secret"
REFUSALS: Final = 5
"""So often has a server come back in vain until it is believed that it gets nowhere."""
END_SECONDS: Final = 180
"""In lame duck mode the first client has to go after ten seconds, then one a second; files go after half a minute."""


@pytest.fixture(scope="module", params=EXAMPLES)
def system(request: pytest.FixtureRequest, tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """All of it, in a cluster of its own."""
    with run_system(EXAMPLES[request.param], tools, tmp_path_factory.mktemp("system")) as running:
        yield running


def cli_on(server: Server, system: System, tools: Path) -> NatsCli:
    """The CLI on one of the servers."""
    return NatsCli(tools / "nats", server.url, system.home)


def until_served(cli: NatsCli, token: str) -> None:
    """Wait until a client of that server gets in; nobody decides while it is about to meet the others."""
    served = ("pub", "orders.created", "hello")
    until_sync(lambda: cli.attempt(token, *served).returncode == 0, PATIENCE_SECONDS, "the client is let in")


def maybe_find_the_services(system: System) -> Server | None:
    """The server that the callout's worker is connected to, if all servers answer and one of them says so."""
    said = system.ask("$SYS.REQ.SERVER.PING.CONNZ", "--replies", str(len(system.servers)))
    answers = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    connected = {
        answer["server"]["name"]: any(one.get("name", "").startswith(WORKER) for one in answer["data"]["connections"])
        for answer in answers
    }
    found = [server for server in system.servers if connected.get(server.name)]
    return found[0] if len(connected) == len(system.servers) and len(found) == 1 else None


def find_the_services(system: System) -> Server:
    """The same, once they know each other: one that has come back meets the others after it takes clients."""
    return until_sync(
        lambda: maybe_find_the_services(system), PATIENCE_SECONDS, "all servers answer, and one has the worker"
    )


def leave_as_a_pod_does(server: Server) -> None:
    """What the chart's hook sends, and then the kubelet, which does not hurry it: first it lets its clients go."""
    seen = len(server.log())

    def said(words: str) -> bool:
        return words in server.log()[seen:]

    server.send(signal.SIGUSR2)
    until_sync(lambda: said("Entering lame duck mode"), PATIENCE_SECONDS, "it has begun")
    server.send(signal.SIGTERM)
    until_sync(lambda: said("Server Exiting"), END_SECONDS, "it ends by itself")
    assert said("Closing existing clients")


def be_lost(server: Server) -> None:
    """End without a word, killed for its memory, say."""
    server.send(signal.SIGKILL)


def test_a_client_of_each_server_is_let_in(system: System, tools: Path) -> None:
    """By one worker, which is connected to one of them."""
    for server in system.servers:
        cli_on(server, system, tools)(system.token(), "pub", "orders.created", "hello")
    assert len(system.servers) <= system.service.metric("nats_auth_requests_total", result="allowed")


@pytest.mark.parametrize("end", [leave_as_a_pod_does, be_lost], ids=lambda end: end.__name__)
def test_logins_go_on_without_the_services_server(system: System, tools: Path, end: Callable[[Server], None]) -> None:
    """The one worker goes to another server, whose name is the same; the server that is back lets clients in, too."""
    lost = find_the_services(system)
    others = [server for server in system.servers if server is not lost]
    end(lost)
    lost.stop()
    try:
        for server in others:
            until_served(cli_on(server, system, tools), system.token())
    finally:
        lost.start()
    until_served(cli_on(lost, system, tools), system.token())


def test_a_server_has_the_time_to_let_its_clients_go() -> None:
    """The kubelet does not kill it before; nor is it killed for memory that it could have freed."""
    values = yaml.safe_load((ROOT / THREE_SERVERS).read_text())
    seconds = int(values["config"]["merge"]["lame_duck_duration"].removesuffix("m")) * 60
    assert seconds < values["podTemplate"]["merge"]["spec"]["terminationGracePeriodSeconds"]
    container = values["container"]
    limit = int(container["merge"]["resources"]["limits"]["memory"].removesuffix("Gi")) * 1024
    assert int(container["env"]["GOMEMLIMIT"].removesuffix("MiB")) < limit


def holds(folder: Path, name: str) -> bool:
    """Tell whether a folder of that name is somewhere below, where folders may vanish meanwhile."""
    return any(name in folders for _, folders, _ in os.walk(folder))


def test_a_server_that_becomes_one_of_three_deletes_its_streams(tools: Path, tmp_path: Path) -> None:
    """Which is why the page has it done before there are any."""
    with HeldPort() as client, HeldPort() as route, contextlib.ExitStack() as running:
        addresses = [address_of(number) for number in range(3)]
        routes = [f"nats://{address}:{route.number}" for address in addresses]
        hosts = tmp_path / "hosts"
        hosts.write_text("127.0.0.1 localhost\n")

        def start(number: int, cluster: Mapping[str, Any]) -> Server:
            address, name = addresses[number], f"nats-{number}"
            place = {"server_name": name, "host": address, "port": client.number}
            config = {**place, "jetstream": {"store_dir": str(tmp_path / name)}, **cluster}
            server = Server(name, address, config, hosts, tmp_path, {})
            running.callback(server.stop)
            server.start()
            return server

        def run(server: Server, *words: str) -> Done:
            return attempt([tools / "nats", "--server", server.url, "stream", *words])

        alone = start(0, {})
        assert 0 == run(alone, "add", "orders", "--subjects", "orders.>", "--defaults").returncode
        files = tmp_path / "nats-0"
        assert holds(files, "orders")
        alone.stop()
        for number, address in enumerate(addresses):
            start(number, {"cluster": {"name": "nats", "host": address, "port": route.number, "routes": routes}})
        until_sync(lambda: not holds(files, "orders"), END_SECONDS, "half a minute later its files are gone")
        known = run(alone, "ls", "--names")
        assert (0, "") == (known.returncode, known.stdout.strip())


def test_a_stream_is_on_three_servers(system: System) -> None:
    """As NACK makes it with `replicas: 3`."""

    def run(*words: str) -> Done:
        return attempt([*system.nack, "--inbox-prefix", "_INBOX", "stream", *words])

    words = ("add", "orders", "--subjects", "orders.>", "--replicas", "3", "--defaults")
    until_sync(lambda: run(*words).returncode == 0, PATIENCE_SECONDS, "the servers have agreed on who keeps streams")
    copies = json.loads(run("info", "orders", "--json").stdout)["cluster"]
    assert {server.name for server in system.servers} == {
        copies["leader"],
        *(one["name"] for one in copies["replicas"]),
    }


def test_the_doctor_hears_of_all_servers(system: System) -> None:
    """Through one of them: by the system account, whoever answers."""
    creds = "nats-setup/creds/sys.creds" if system.is_operator_mode else "sys"
    found = system.doctor("--sys-creds", creds)
    assert [] == [check for check, one in found.items() if one["severity"] == "wrong"]
    assert [] == [server.name for server in system.servers if server.name not in found["clocks"]["what"]]
    assert "1 hears requests in the service's queue group" in found["responders"]["what"]


def make_stranger(system: System, tls: Mapping[str, str], folder: Path) -> Server:
    """A server that knows what is no secret, names and addresses, and has a user of its own in the clients' account."""
    known = system.servers[0].config
    address = address_of(len(system.servers))
    routes = [one if tls else one.replace("tls:", "nats:") for one in known["cluster"]["routes"]]
    cluster = {**known["cluster"], "host": address, "routes": routes, "tls": tls}
    account, system_account = system.service.variables["NATS_ACCOUNT"], known["system_account"]
    config = {
        "server_name": STRANGER,
        "host": address,
        "port": known["port"],
        "cluster": {name: member for name, member in cluster.items() if member},
        "accounts": {account: {"users": [{"user": STRANGER, "password": PASSWORD}]}, system_account: {}},
        "system_account": system_account,
    }
    return Server(STRANGER, address, config, system.home.parent / "hosts", folder, {})


def be_in_the_clear(_: System, __: Path) -> dict[str, str]:
    """Have no certificate at all."""
    return {}


def be_of_another_authority(system: System, folder: Path) -> dict[str, str]:
    """Have a certificate for the same names, by another CA that is called the same."""
    names = tuple(f"{server.name}.nats-headless" for server in system.servers)
    own = str(Authority(folder, "nats-routes", names).chain_file)
    return {**system.servers[0].config["cluster"]["tls"], "cert_file": own, "key_file": own}


def be_one_of_them(system: System, _: Path) -> dict[str, str]:
    """Have the Secret."""
    known: dict[str, str] = system.servers[0].config["cluster"]["tls"]
    return known


@contextlib.contextmanager
def spy_on(system: System, tls: Mapping[str, str], tools: Path, folder: Path) -> Iterator[tuple[Server, Service]]:
    """Run such a server, and a client of it that listens to everything."""
    stranger = make_stranger(system, tls, folder)
    words = (str(tools / "nats"), "--server", stranger.url, "--user", STRANGER, "--password", PASSWORD, "sub", ">")
    stranger.start()
    try:
        with Service({"HOME": str(folder)}, command=words) as spy:
            until_sync(lambda: "Subscribing on" in spy.output(), PATIENCE_SECONDS, "the spy listens")
            yield stranger, spy
    finally:
        stranger.stop()


@pytest.mark.parametrize("credentials", [be_in_the_clear, be_of_another_authority], ids=lambda one: one.__name__)
def test_a_server_without_the_routes_certificate_stays_out(
    system: System, tools: Path, tmp_path: Path, credentials: Credentials
) -> None:
    """It comes again and again, and hears nothing."""
    with spy_on(system, credentials(system, tmp_path), tools, tmp_path) as (stranger, spy):

        def be_refused() -> None:
            seen = stranger.log().count("Router connection closed")
            until_sync(
                lambda: stranger.log().count("Router connection closed") >= seen + REFUSALS,
                PATIENCE_SECONDS,
                "it is refused again and again",
            )

        be_refused()
        system.nats(system.token(), "pub", "orders.created", "hello")
        be_refused()
        assert "hello" not in spy.output()


def test_a_server_with_the_routes_certificate_hears_all(system: System, tools: Path, tmp_path: Path) -> None:
    """So it is what keeps others out: this one has nothing else that they have not."""
    with spy_on(system, be_one_of_them(system, tmp_path), tools, tmp_path) as (_, spy):

        def hears() -> bool:
            system.nats(system.token(), "pub", "orders.created", "hello")
            return "hello" in spy.output()

        until_sync(hears, PATIENCE_SECONDS, "the spy hears a message of another server's client")


@pytest.mark.parametrize("place", ["home", "elsewhere"])
def test_the_page_replaces_no_certificate(system: System, tools: Path, tmp_path: Path, place: str) -> None:
    """Followed again, in the same folder and in an empty one, it stops before it makes anything."""
    folder = system.home if place == "home" else tmp_path
    before = read_secret(system.cluster, "nats-routes")
    with pytest.raises(AssertionError, match="AlreadyExists"):
        follow_page(system.cluster, tools, folder, read_section("Three servers"))
    assert before == read_secret(system.cluster, "nats-routes")
    assert (place == "home") == (folder / "nats-routes").exists()
