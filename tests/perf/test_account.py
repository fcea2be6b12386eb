"""The account that may ask, in operator mode: nats-server learns of it, and forgets it again, as the command says."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from nats.aio.msg import Msg

from callout.bootstrap.loading import load
from callout.bootstrap.record import Deployment
from callout.doctor.nats_claims import read_account, read_json
from callout.nats_jwt import Account, Import, User, issue_account, issue_user, render_creds
from callout.secret import Secret
from perf.account import ANSWERS, ANSWERS_NO_MORE, ASKS, ASKS_NO_MORE, CREDENTIALS, FOLDER, PRELOAD, VALUES, render
from perf.admission import CONNECTIONS, LIFETIME_S, admit
from perf.inputs import make_key
from perf.requests import ASKING_SUBJECT, INBOX
from tests.interop.bootstrapped import CHANGE_SECONDS, Server, bootstrap, read_env, serve
from tests.interop.changing_cluster import ChangingCluster
from tests.interop.clients import REFUSED, WorkloadClient, open_client
from tests.interop.environments import BINARIES
from tests.perf.deployed import INCLUDE, ROOT, add_account, complaint, report
from tests.waiting import PATIENCE_SECONDS, until
from workers.nkeys import KeyPair, Kind

SHORT = ("--windows=4", "--seconds=0.2")


@pytest.fixture
def cluster(tmp_path: Path) -> ChangingCluster:
    """A cluster with the ServiceAccount orders/checkout."""
    made = ChangingCluster(tmp_path)
    made.put("orders", "checkout")
    return made


def describe(server: Server, cluster: ChangingCluster, asking: dict[str, str]) -> dict[str, str]:
    """The arguments that say where to ask, and as whom."""
    tokens = server.folder.with_name("tokens")
    tokens.write_text(cluster.token("orders", "checkout"))
    return {"--nats-url": server.url, "--tokens": str(tokens)} | asking


async def ask(arguments: dict[str, str]) -> list[tuple[bool, bool]]:
    """Whether requests were let in, and whether some were not answered, at each point of a short load."""
    points = (await asyncio.to_thread(report, "load", arguments, *SHORT))["points"]
    return [(point["answered"] == point["allowed"] > 0, point["unanswered"] > 0) for point in points]


def test_a_memory_resolver_has_it_for_as_long_as_it_is_included(tmp_path: Path, cluster: ChangingCluster) -> None:
    """One line of nats.conf, and a reload; without that line the user is refused, and clients never notice."""
    folder = tmp_path / "nats"
    bootstrap(folder, "--xkey")
    config = folder / "nats.conf"
    before = config.read_text()

    async def scenario() -> None:
        with Server(BINARIES[0].path, folder) as server:
            async with serve(server, cluster, read_env(folder)):
                arguments = describe(server, cluster, await asyncio.to_thread(add_account, folder))
                assert await server.lets_in(cluster.token("orders", "checkout"))
                for text, known in ((before, False), (before + INCLUDE, True), (before, False)):
                    config.write_text(text)
                    server.reload()
                    if known:
                        assert [(True, False)] * 2 == await ask(arguments)
                    else:
                        line = await asyncio.to_thread(complaint, "load", arguments, *SHORT)
                        assert line.endswith("cannot be asked: -ERR 'Authorization Violation'")
                    assert await server.lets_in(cluster.token("orders", "checkout"))

    asyncio.run(scenario())
    assert "nothing was changed" in bootstrap(folder)


def test_a_full_resolver_is_given_it_and_the_account_as_it_was(tmp_path: Path, cluster: ChangingCluster) -> None:
    """Two requests to the system account, and two more; then who asks is out for good, and clients never notice."""
    folder = tmp_path / "nats"
    bootstrap(folder, "--resolver", "full")

    async def scenario() -> None:
        with Server(BINARIES[0].path, folder) as server:
            async with serve(server, cluster, read_env(folder)):
                arguments = describe(server, cluster, await asyncio.to_thread(add_account, folder))
                await push(server, ASKS, ANSWERS)
                assert [(True, False)] * 2 == await ask(arguments)
                assert await server.lets_in(cluster.token("orders", "checkout"))
                async with await connect(server) as asking:
                    assert f"rm -r {folder / FOLDER}" in run(folder, "--undo").stdout
                    await push(server, ANSWERS_NO_MORE, ASKS_NO_MORE)
                    await until(lambda: asking.is_closed, PATIENCE_SECONDS, "who asked is sent away")
                line = await asyncio.to_thread(complaint, "load", arguments, *SHORT)
                assert "maximum account active connections exceeded" in line
                assert await server.lets_in(cluster.token("orders", "checkout"))

    asyncio.run(scenario())


async def push(server: Server, *names: str) -> None:
    """Give a server these JWTs, as the command says."""
    async with await server.connect("sys") as administrator:
        for name in names:
            jwt = (server.folder / FOLDER / name).read_bytes()
            reply = await administrator.request("$SYS.REQ.CLAIMS.UPDATE", jwt, timeout=CHANGE_SECONDS)
            assert 200 == json.loads(reply.data)["data"]["code"]


async def connect(server: Server) -> WorkloadClient:
    """Log in as the user who asks."""
    return await open_client(server.url, {"user_credentials": str(server.folder / FOLDER / CREDENTIALS)})


def run(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as a user does."""
    command = [sys.executable, "-m", "perf.account", str(folder), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def issue_tenant(deployment: Deployment, key: KeyPair, perf: str) -> str:
    """Another account of the same operator, which would like to hear all that is asked and answered."""
    record = deployment.record
    service = record.account(record.choices.service_account).public
    imports = (Import(ASKING_SUBJECT, perf, "stream"), Import(f"{INBOX}.>", service, "stream"))
    operator = deployment.material.signing[record.operator.signing[-1].public]
    return issue_account(operator, key.public, Account(imports=imports), name="TENANT", issued_at=int(time.time()))


def make_creds(account: KeyPair, path: Path) -> str:
    """Credentials of a user who may do everything in an account."""
    user = make_key(Kind.USER)
    jwt = issue_user(account, user.public, User(), name="tenant", issued_at=int(time.time()))
    path.write_text(render_creds(jwt, Secret(user.encode_seed())).reveal())
    return str(path)


def test_another_account_hears_neither_tokens_nor_answers(tmp_path: Path, cluster: ChangingCluster) -> None:
    """Whoever may write an account's imports would otherwise read tokens that are good, and logins."""
    folder = tmp_path / "nats"
    bootstrap(folder)
    asking = add_account(folder)
    tenant, accounts = make_key(Kind.ACCOUNT), folder / FOLDER / PRELOAD
    perf = read_account((folder / FOLDER / ASKS).read_text()).key
    preload = msgspec.json.decode(accounts.read_text().removeprefix("resolver_preload: "))
    preload |= {tenant.public: issue_tenant(load(folder), tenant, perf)}
    accounts.write_text(f"resolver_preload: {json.dumps(preload)}\n")
    with (folder / "nats.conf").open("a") as config:
        config.write(INCLUDE)
    heard: list[str] = []

    async def note(message: Msg) -> None:
        heard.append(message.subject)

    async def scenario() -> None:
        with Server(BINARIES[0].path, folder) as server:
            creds = make_creds(tenant, tmp_path / "tenant.creds")
            async with (
                serve(server, cluster, read_env(folder)),
                await open_client(server.url, {"user_credentials": creds}) as curious,
            ):
                await curious.subscribe(">", cb=note)
                await curious.flush()
                assert [(True, False)] * 2 == await ask(describe(server, cluster, asking))
                await curious.publish("own", b"")
                await until(lambda: "own" in heard, PATIENCE_SECONDS, "its own message has come")

    asyncio.run(scenario())
    assert ["own"] == heard


def test_made_again_the_account_before_hears_nothing(tmp_path: Path, cluster: ChangingCluster) -> None:
    """Its activation is revoked, though its credentials are still good; the new one is answered."""
    folder = tmp_path / "nats"
    bootstrap(folder, "--resolver", "full")

    async def scenario() -> None:
        with Server(BINARIES[0].path, folder) as server:
            async with serve(server, cluster, read_env(folder)):
                await asyncio.to_thread(add_account, folder)
                await push(server, ASKS, ANSWERS)
                former = tmp_path / "former.creds"
                former.write_bytes((folder / FOLDER / CREDENTIALS).read_bytes())
                arguments = describe(server, cluster, await asyncio.to_thread(add_account, folder))
                await push(server, ASKS, ANSWERS)
                async with await open_client(server.url, {"user_credentials": str(former)}) as outdated:
                    heard = await outdated.subscribe(f"{INBOX}.>")
                    await outdated.flush()
                    assert [(True, False)] * 2 == await ask(arguments)
                    await outdated.flush()
                    assert 0 == heard.pending_msgs

    asyncio.run(scenario())


def test_after_its_time_nobody_asks_and_clients_never_notice(tmp_path: Path, cluster: ChangingCluster) -> None:
    """Account, user and activations have expired; the include is still there, and the server started again with it."""
    folder = tmp_path / "nats"
    bootstrap(folder)
    add_account(folder)
    gone = render(admit(load(folder), int(time.time()), lifetime_s=-1))
    for name in (PRELOAD, CREDENTIALS):
        (folder / FOLDER / name).write_text(gone[name].reveal())
    with (folder / "nats.conf").open("a") as config:
        config.write(INCLUDE)

    async def scenario() -> None:
        with Server(BINARIES[0].path, folder) as server:
            async with serve(server, cluster, read_env(folder)):
                with pytest.raises(REFUSED):
                    await connect(server)
                assert await server.lets_in(cluster.token("orders", "checkout"))
                server.reload()
                assert await server.lets_in(cluster.token("orders", "checkout"))

    asyncio.run(scenario())


def test_what_is_made_ends_within_a_day(tmp_path: Path) -> None:
    """But for the callout's own account, which has to last, and may import no longer than that."""
    folder = tmp_path / "nats"
    bootstrap(folder)
    began = int(time.time())
    add_account(folder)
    place = folder / FOLDER
    perf, service = (read_claims((place / name).read_text()) for name in (ASKS, ANSWERS))
    user = read_claims((place / CREDENTIALS).read_text().splitlines()[1])
    activations = [read_claims(one["nats"]["imports"][0]["token"]) for one in (perf, service)]
    latest = int(time.time()) + LIFETIME_S + 1
    assert "exp" not in service
    for claims in (perf, user, *activations):
        assert began + LIFETIME_S <= claims["exp"] <= latest
    assert CONNECTIONS == perf["nats"]["limits"]["conn"]
    assert [True, True] == [one["nats"]["exports"][0]["token_req"] for one in (perf, service)]


def read_claims(jwt: str) -> Any:
    """The claims of a JWT."""
    return read_json(jwt)


def test_the_account_is_given_back_as_it_stands_then(tmp_path: Path) -> None:
    """Of a key that was withdrawn meanwhile nothing comes back, and what is given back is newer."""
    folder = tmp_path / "nats"
    bootstrap(folder, "--resolver", "full")
    add_account(folder)
    place, away = folder / FOLDER, tmp_path / "away"
    given = read_account((place / ANSWERS).read_text())
    place.rename(away)  # what a key is not replaced beside
    for option in ("--rotate", "--retire"):
        bootstrap(folder, option, "AUTH_SERVICE")
    away.rename(place)
    assert 0 == run(folder, "--undo").returncode
    restored = read_account((place / ANSWERS_NO_MORE).read_text())
    stands = read_account((folder / "jwt/AUTH_SERVICE.jwt").read_text())
    assert stands.signing_keys == restored.signing_keys != given.signing_keys
    assert restored.issued_at > max(given.issued_at, stands.issued_at)


def test_what_is_written_again_is_private_and_elsewhere_nothing_is(tmp_path: Path) -> None:
    """Whatever modes and links somebody has left there; the folder is its owner's alone again."""
    folder = tmp_path / "nats"
    bootstrap(folder)
    add_account(folder)
    place, elsewhere = folder / FOLDER, tmp_path / "elsewhere"
    elsewhere.write_text("before")
    place.chmod(0o755)
    (place / VALUES).chmod(0o644)
    (place / CREDENTIALS).unlink()
    (place / CREDENTIALS).symlink_to(elsewhere)
    add_account(folder)
    assert 0o700 == place.stat().st_mode & 0o777
    assert {0o100600} == {path.lstat().st_mode for path in place.iterdir()}
    assert "before" == elsewhere.read_text()


def test_a_folder_that_is_a_link_is_not_written_to(tmp_path: Path) -> None:
    """It leads to somebody else's, whose modes stay as they are."""
    folder, elsewhere = tmp_path / "nats", tmp_path / "elsewhere"
    bootstrap(folder)
    elsewhere.mkdir(mode=0o755)
    (folder / FOLDER).symlink_to(elsewhere)
    done = run(folder)
    (line,) = done.stderr.splitlines()
    assert (1, "") == (done.returncode, done.stdout)
    assert line.startswith(f"error: {folder / FOLDER} cannot be written")
    assert ([], 0o755) == (list(elsewhere.iterdir()), elsewhere.stat().st_mode & 0o777)


def test_values_for_helm_hold_what_differs(tmp_path: Path) -> None:
    """Both accounts, by their keys; the others' JWTs stay those of the deployment's own values."""
    folder = tmp_path / "nats"
    bootstrap(folder)
    add_account(folder)
    merged: dict[str, Any] = yaml.safe_load((folder / FOLDER / VALUES).read_text())
    preload = merged["config"]["merge"]["resolver_preload"]
    assert ["AUTH_SERVICE", "PERF"] == [read_account(jwt).name for jwt in preload.values()]
    assert list(preload) == [read_account(jwt).key for jwt in preload.values()]


def test_helm_goes_back_to_a_revision_that_was_noted(tmp_path: Path) -> None:
    """The last but one may be another by then; and it is said that nobody has tried it."""
    folder = tmp_path / "nats"
    bootstrap(folder)
    made, undone = run(folder).stdout, run(folder, "--undo").stdout
    assert made.index("which was not tried") < made.index("helm history nats") < made.index("helm upgrade nats")
    assert "which was not tried: helm rollback nats REVISION" in undone
    assert "--signal reload=PID" in made
    assert "--signal reload=PID" in undone


@pytest.mark.parametrize("options", [(), ("--undo",)], ids=["made", "undone"])
@pytest.mark.parametrize("name", [".", "nowhere"])
def test_what_is_no_deployment_is_refused(tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    """One line says so, and nothing is written."""
    folder = tmp_path / name
    done = run(folder, *options)
    assert (2, "") == (done.returncode, done.stdout)
    assert f"error: {folder.absolute()} is no folder that `callout bootstrap` has made\n" == done.stderr
    assert [] == list(tmp_path.iterdir())


def test_what_was_not_made_is_not_undone(tmp_path: Path) -> None:
    """And what is there but in part is to be made anew first."""
    folder = tmp_path / "nats"
    bootstrap(folder, "--resolver", "full")
    done = run(folder, "--undo")
    assert (2, f"error: {folder / FOLDER} is not there: nobody may ask\n") == (done.returncode, done.stderr)
    add_account(folder)
    (folder / FOLDER / ASKS).unlink()
    assert "make it anew without --undo" in run(folder, "--undo").stderr
    (folder / FOLDER / ASKS).write_text("junk")
    assert (
        f"error: {folder / FOLDER} cannot be read: this is no JWT of a NATS account; move it away\n"
        == run(folder).stderr
    )
