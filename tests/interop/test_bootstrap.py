"""What `callout bootstrap` makes, in the hands of real servers, of the service, of clients and of NACK."""

from pathlib import Path

import pytest

from tests.interop.bootstrapped import Server, bootstrap, is_acknowledged, read_env, serve, until_stored
from tests.interop.changing_cluster import ChangingCluster
from tests.interop.clients import open_client
from tests.interop.environments import BINARIES, ServerBinary

NEWEST, MIDDLE, OLDEST = BINARIES
FETCH_SECONDS = 10
EVENTS = ("events.>", "$JS.API.CONSUMER.MSG.NEXT.events.processor", "$JS.ACK.events.processor.>")


@pytest.mark.parametrize(
    ("layout", "resolver", "binary", "more"),
    [
        *[
            (layout, resolver, NEWEST, ())
            for layout in ("inside", "import", "service")
            for resolver in ("memory", "full")
        ],
        ("inside", "memory", MIDDLE, ("--xkey",)),
        ("service", "full", MIDDLE, ("--xkey",)),
    ],
    ids=str,
)
async def test_nack_stores_what_clients_publish(
    tmp_path: Path, cluster: ChangingCluster, layout: str, resolver: str, binary: ServerBinary, more: tuple[str, ...]
) -> None:
    """A token is all that a client needs; junk is refused; messages are stored, and acknowledged but over an import."""
    cluster.put("orders", "checkout", pub=EVENTS, sub=["events.>"])
    folder = tmp_path / 'fäirly "odd" $HOME'  # a blank in a path has broken many an environment
    bootstrap(folder, "--nack", layout, "--resolver", resolver, *more)
    with Server(binary.path, folder) as server:
        async with serve(server, cluster, read_env(folder)), await server.connect("nack") as nack:
            await nack.jetstream().add_stream(name="events", subjects=["events.>"])
            await nack.jetstream().add_consumer("events", durable_name="processor", ack_policy="explicit")
            assert not await server.lets_in("junk")
            async with await server.log_in(cluster.token("orders", "checkout")) as client:
                await client.publish("events.test", b"1")
                await until_stored(nack, "events", 1)
                assert (layout != "import") == await is_acknowledged(client, "events.test")
                await until_stored(nack, "events", 2)
                if layout != "import":
                    subscription = await client.jetstream().pull_subscribe_bind("processor", "events")
                    fetched = await subscription.fetch(2, timeout=FETCH_SECONDS)
                    assert ["events.test"] * 2 == [message.subject for message in fetched]
                    for message in fetched:
                        await message.ack_sync(FETCH_SECONDS)
                assert [] == client.errors
            assert [] == nack.errors


@pytest.mark.parametrize("resolver", ["memory", "full"])
async def test_without_nack_the_clients_have_jetstream(tmp_path: Path, cluster: ChangingCluster, resolver: str) -> None:
    """Whom the administrator lets may make streams; nobody else does."""
    cluster.put("orders", "checkout", pub=["$JS.API.>"])
    folder = tmp_path / "nats"
    bootstrap(folder, "--nack", "none", "--resolver", resolver)
    assert not (folder / "creds/nack.creds").exists()
    with Server(NEWEST.path, folder) as server:
        variables = read_env(folder) | {"NATS_STREAM_ADMIN": "true"}
        token = cluster.token("orders", "checkout")
        async with serve(server, cluster, variables), await server.log_in(token) as client:
            await client.jetstream().add_stream(name="own", subjects=["orders.>"])
            assert await is_acknowledged(client, "orders.created")


@pytest.mark.parametrize("account", ["AUTH_ACCOUNT", "AUTH_SERVICE"])
@pytest.mark.parametrize("resolver", ["memory", "full"])
async def test_a_signing_key_is_replaced_without_a_refused_login(
    tmp_path: Path, cluster: ChangingCluster, resolver: str, account: str
) -> None:
    """Both keys verify between the steps, whichever the service has; after the second step the old one does not."""
    folder = tmp_path / "nats"
    bootstrap(folder, "--resolver", resolver)
    old = read_env(folder)
    with Server(NEWEST.path, folder) as server:

        async def tell() -> None:
            if resolver == "memory":  # a full resolver takes no accounts from nats.conf on a reload
                server.reload()
            else:
                await server.push(account)

        def token() -> str:
            return cluster.token("orders", "checkout")

        async with serve(server, cluster, old) as service:
            workers = service.worker_pids()
            assert f"--retire {account}" in bootstrap(folder, "--rotate", account)
            assert await server.lets_in(token())
            await tell()
            assert await server.lets_in(token())
            assert workers == service.worker_pids()  # nothing that it reads has changed
        kept = keep_seeds(old, tmp_path)
        new = read_env(folder)
        assert old != new
        async with serve(server, cluster, new):
            assert await server.lets_in(token())
            bootstrap(folder, "--retire", account, "--now")
            assert 1 == len(set(seeds_of(old).values()) - seeds_in(folder))
            assert await server.lets_in(token())
            await tell()
            assert await server.lets_in(token())
        async with serve(server, cluster, kept):
            assert not await server.lets_in(token())


async def test_an_edited_environment_is_carried_through_a_rotation(tmp_path: Path, cluster: ChangingCluster) -> None:
    """The old key's seed stays for as long as callout.env names it, and nobody is locked out on the way."""
    folder = tmp_path / "nats"
    bootstrap(folder)
    environment = folder / "callout.env"
    with environment.open("a") as edited:
        edited.write("NATS_WORKERS=1\n")
    with Server(NEWEST.path, folder) as server:
        bootstrap(folder, "--rotate", "AUTH_ACCOUNT")
        server.reload()
        refused = bootstrap(folder, "--retire", "AUTH_ACCOUNT", expected=2)
        assert "callout.env still has AUTH_ACCOUNT-signing-1.nk" in refused
        async with serve(server, cluster, read_env(folder)):
            assert await server.lets_in(cluster.token("orders", "checkout"))
        environment.write_text((folder / "callout.env.new").read_text() + "NATS_WORKERS=1\n")
        bootstrap(folder, "--retire", "AUTH_ACCOUNT", "--now")
        server.reload()
        variables = read_env(folder)
        assert "1" == variables["NATS_WORKERS"]
        async with serve(server, cluster, variables):
            assert await server.lets_in(cluster.token("orders", "checkout"))


async def test_a_server_that_was_down_comes_back_with_the_new_key(tmp_path: Path, cluster: ChangingCluster) -> None:
    """A full resolver's folder holds the old account then; what nats.conf preloads is newer."""
    folder = tmp_path / "nats"
    bootstrap(folder, "--resolver", "full")
    with Server(NEWEST.path, folder):
        pass
    (tmp_path / "nats.ports").rename(tmp_path / "earlier")
    bootstrap(folder, "--rotate", "AUTH_ACCOUNT")
    with Server(NEWEST.path, folder) as server:
        async with serve(server, cluster, read_env(folder)):
            assert await server.lets_in(cluster.token("orders", "checkout"))


async def test_an_older_server_does_with_the_sentinels_credentials(tmp_path: Path, cluster: ChangingCluster) -> None:
    """As nats.conf says: without the line that it does not know, and with clients that bring the sentinel along."""
    folder = tmp_path / "nats"
    bootstrap(folder)
    config = folder / "nats.conf"
    lines = config.read_text().splitlines(keepends=True)
    config.write_text("".join(line for line in lines if not line.startswith("default_sentinel:")))
    with Server(OLDEST.path, folder) as server:
        async with serve(server, cluster, read_env(folder)):
            options = {
                "token": cluster.token("orders", "checkout"),
                "user_credentials": str(folder / "creds/sentinel.creds"),
            }
            async with await open_client(server.url, options) as client:
                await client.publish("orders.created", b"")
                await client.flush()
                assert [] == client.errors
            assert not await server.lets_in(cluster.token("orders", "checkout"))


def seeds_of(variables: dict[str, str]) -> dict[str, str]:
    """The variables that name files of seeds."""
    return {name: value for name, value in variables.items() if name.endswith("SIGNING_KEY_FILE")}


def seeds_in(folder: Path) -> set[str]:
    """The files of seeds that there are."""
    return {str(path) for path in (folder / "seeds").iterdir()}


def keep_seeds(variables: dict[str, str], place: Path) -> dict[str, str]:
    """Copy the seeds somewhere else, as somebody might who has got at them; return variables that name the copies."""
    copies = {}
    for name, value in seeds_of(variables).items():
        path = place / f"{name}.nk"
        path.write_bytes(Path(value).read_bytes())
        path.chmod(0o600)
        copies[name] = str(path)
    return variables | copies
