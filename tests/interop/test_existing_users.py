"""A NATS that has clients begins to ask a callout: who still gets in, and what takes a restart, as the page says.

docs/existing-nats.md. Each statement on every line of nats-server, since it is about what the server does by itself.
"""

import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.commands import BASH, run
from tests.interop.changing_cluster import ChangingCluster
from tests.interop.clients import CONNECT_SECONDS, WorkloadClient, open_client
from tests.interop.environments import BINARIES, Environment, Mode, ServerBinary
from tests.interop.mqtt import ACCEPTED, NOT_AUTHORIZED, MqttClient
from tests.interop.operation import serve, until_reasons
from tests.interop.reference_callout import ReferenceCallout
from tests.interop.residents import (
    OTHER_NKEY,
    PASSWORD,
    TOKEN,
    WAYS,
    Edit,
    after,
    before,
    enter,
    enter_all,
    enter_as_leafnode,
    enter_as_leafnode_of,
    judge,
    read,
    refuse_reload,
    run_line,
    write,
)
from tests.interop.server_configs import ADMINISTRATOR, CALLOUT, SERVER_MODE_NAMES
from tests.missing import needs
from tests.nats_minting import NatsKey, account_jwt, creds, user_jwt
from tests.pages import ROOT, blocks

PAGE: Final = ROOT / "docs/existing-nats.md"
COMES_BACK: Final[dict[str, Any]] = {"allow_reconnect": True, "max_reconnect_attempts": -1}
ALONE: Final = [{"user": "billing", "password": PASSWORD}, {"user": "stock", "password": PASSWORD}]
"""Users of `authorization`, where there are no accounts: they are in $G."""
SPARING: Final = pytest.mark.parametrize("environment", BINARIES[:-1], indirect=True, ids=lambda binary: binary.line)
"""On the lines that know `allowed_accounts` in server mode: all but the oldest."""


@pytest.fixture(params=BINARIES, ids=lambda binary: binary.line)
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Environment]:
    """A server of each line in server mode."""
    with run_line(request.param, tmp_path / "nats") as running:
        yield running


@contextlib.asynccontextmanager
async def connected(environment: Environment, **options: Any) -> AsyncIterator[WorkloadClient]:
    """A client that comes back whenever it is cut off."""
    async with await open_client(environment.url(), {**options, **COMES_BACK}) as client:
        yield client


async def test_who_is_listed_gets_in_unasked_and_everybody_else_is_asked_about(environment: Environment) -> None:
    """A password that was good before is nothing to the callout, which is shown it."""
    environment.server.restart(before)
    were = {who: await enter(environment, options) for who, options in WAYS.items()}
    expected = {
        "listed": ("clients", 0),
        "listed, by an nkey": ("clients", 0),
        "listed, with a wrong password": (None, 0),
        "not listed": (None, 1),
        "not listed, by an nkey": (None, 1),
        "not listed, of another account": (None, 1),
        "without credentials": (None, 1),
        "a pod": ("clients", 1),
    }
    assert {who for who, (role, asked) in expected.items() if asked == 0 and role} < {who for who in were if were[who]}
    assert {"not listed": "clients", "not listed, of another account": "other", "a pod": None}.items() < were.items()
    environment.server.restart(after)
    async with ReferenceCallout(environment, judge) as callout:
        assert expected == await enter_all(environment, callout)
        assert PASSWORD in [request["nats"]["connect_opts"].get("pass") for request in callout.requests]


async def test_mqtt_clients_are_treated_alike(environment: Environment) -> None:
    """By user and password."""
    environment.server.restart(after)
    async with ReferenceCallout(environment, judge):
        for user, verdict in (("billing", ACCEPTED), ("stock", NOT_AUTHORIZED)):
            port = environment.server.ports.mqtt
            async with await MqttClient.connect(port, client_id=user, username=user, password=PASSWORD) as client:
                assert verdict == client.return_code


async def test_a_leafnode_is_asked_about_unless_its_user_is_listed_or_is_the_listeners_own(
    environment: Environment,
) -> None:
    """Users of `authorization` within `leafnodes` never meet the callout."""

    def give_own(config: str) -> str:
        members = read(after(config))
        own = {"users": [{"user": "own", "password": PASSWORD, "account": SERVER_MODE_NAMES["other"]}]}
        return write(members | {"leafnodes": members["leafnodes"] | {"authorization": own}})

    environment.server.restart(after)
    async with ReferenceCallout(environment, judge) as callout:
        assert await enter_as_leafnode(environment, "remote")
        assert [] == callout.requests
        assert not await enter_as_leafnode(environment, "elsewhere")
        assert ["Leafnode"] == [request["nats"]["client_info"]["kind"] for request in callout.requests]
    environment.server.restart(give_own)
    async with ReferenceCallout(environment, judge) as callout:
        assert await enter_as_leafnode(environment, "own")
        assert [] == callout.requests


async def test_the_service_says_in_its_log_why_they_are_refused(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """A password is taken for a token that is none, an nkey or nothing for a missing one."""
    environment.server.restart(after)
    async with serve(environment, cluster, NATS_WORKERS="1") as service:  # of two, either line may come first
        for way in ("not listed", "not listed, by an nkey", "without credentials"):
            assert await enter(environment, WAYS[way]) is None
        assert not await enter_as_leafnode(environment, "elsewhere")
        await until_reasons(service, ["token_malformed", "token_missing", "token_missing", "request_leafnode"])
        assert PASSWORD not in service.output()


@SPARING
async def test_allowed_accounts_spares_the_users_of_all_other_accounts(environment: Environment) -> None:
    """Without a list of their names; leafnodes are asked about all the same."""
    with pytest.raises(AssertionError, match='allowed account "NOWHERE" not found in configured accounts'):
        environment.server.restart(lambda config: after(config, allowed=("NOWHERE",)))
    environment.server.restart(lambda config: after(config, allowed=(SERVER_MODE_NAMES["clients"],)))
    async with ReferenceCallout(environment, judge) as callout:
        outcomes = await enter_all(environment, callout)
        assert ("other", 0) == outcomes["not listed, of another account"]
        assert (None, 1) == outcomes["not listed"] == outcomes["without credentials"]
        assert ("clients", 1) == outcomes["a pod"]
        assert not await enter_as_leafnode(environment, "elsewhere")


@SPARING
async def test_an_account_that_has_nobody_but_pods_spares_all_who_were_there(environment: Environment) -> None:
    """If it alone is in `allowed_accounts`; where pods are placed is not bounded by that, here they are elsewhere."""

    def spare(config: str) -> str:
        members = read(after(config, allowed=("PODS",)))
        return write(members | {"accounts": members["accounts"] | {"PODS": {}}})

    environment.server.restart(spare)
    async with ReferenceCallout(environment, judge) as callout:
        outcomes = await enter_all(environment, callout)
    spared = ("not listed", "not listed, by an nkey", "not listed, of another account")
    assert [("clients", 0), ("clients", 0), ("other", 0)] == [outcomes[who] for who in spared]
    assert (None, 1) == outcomes["without credentials"]
    assert ("clients", 1) == outcomes["a pod"]


@pytest.mark.parametrize("environment", BINARIES[-1:], indirect=True, ids=lambda binary: binary.line)
def test_line_2_10_does_not_know_allowed_accounts(environment: Environment) -> None:
    """It refuses the setting and does not start."""
    with pytest.raises(AssertionError, match='Unknown field "allowed_accounts"'):
        environment.server.restart(lambda config: after(config, allowed=(SERVER_MODE_NAMES["clients"],)))


@pytest.mark.parametrize(("user", "role", "asked"), [("stock", None, 1), ("billing", "clients", 0)])
async def test_no_auth_user_goes_on_only_if_it_is_listed(
    environment: Environment, user: str, role: str | None, asked: int
) -> None:
    """Then whoever shows nothing is in without a question, and whoever shows a token is asked about."""
    environment.server.restart(lambda config: after(config, no_auth_user=user))
    async with ReferenceCallout(environment, judge) as callout:
        outcomes = await enter_all(environment, callout)
    assert (role, asked) == outcomes["without credentials"]
    assert ("clients", 1) == outcomes["a pod"]
    await refuse_reload(environment, lambda config: after(config, no_auth_user="remote"), "NoAuthUser")


def put_into_no_account(config: str) -> str:
    """Users as they are where there are no accounts."""
    members = {name: value for name, value in read(config).items() if name not in ("accounts", "system_account")}
    return write(members | {"authorization": {"users": ALONE}})


def add_accounts(config: str) -> str:
    """Beside these users, the accounts that the callout takes."""
    members = read(after(config))
    callout = members["authorization"]["auth_callout"] | {"auth_users": [CALLOUT, ADMINISTRATOR, "billing"]}
    kept = {SERVER_MODE_NAMES[role]: members["accounts"][SERVER_MODE_NAMES[role]] for role in ("inject", "system")}
    kept |= {SERVER_MODE_NAMES["callout"]: members["accounts"][SERVER_MODE_NAMES["callout"]]}
    return write(members | {"accounts": kept | {"APP": {}}, "authorization": {"users": ALONE, "auth_callout": callout}})


async def test_users_without_an_account_lose_their_streams_to_the_first_account(environment: Environment) -> None:
    """JetStream is there for $G as long as it is the only one; the streams are back when it is again."""

    async def ask(subject: str, **wish: Any) -> dict[str, Any]:
        async with await open_client(environment.url(), WAYS["listed"]) as client:
            reply = await client.request(f"$JS.API.{subject}", json.dumps(wish).encode(), timeout=CONNECT_SECONDS)
        answer: dict[str, Any] = json.loads(reply.data)
        return answer

    environment.server.restart(put_into_no_account)
    assert "error" not in await ask("STREAM.CREATE.S", name="S", subjects=["s"])
    environment.server.restart(add_accounts)
    assert "JetStream not enabled for account" == (await ask("STREAM.NAMES"))["error"]["description"]
    async with ReferenceCallout(environment, judge) as callout:
        assert await enter(environment, WAYS["not listed"]) is None
        assert 1 == len(callout.requests)
    environment.server.restart(put_into_no_account)
    assert ["S"] == (await ask("STREAM.NAMES"))["streams"]


@pytest.mark.parametrize(
    "one", [{"token": "for-all"}, {"user": "billing", "password": PASSWORD}], ids=["token", "user"]
)
def test_one_token_or_one_user_for_all_does_not_go_with_accounts(environment: Environment, one: dict[str, str]) -> None:
    """Whoever has that has to give his clients users first."""

    def keep(config: str) -> str:
        members = read(after(config))
        return write(members | {"authorization": members["authorization"] | one})

    with pytest.raises(AssertionError, match=r"Can not have a (token|single user/pass) and (accounts|a users array)"):
        environment.server.restart(keep)


def without_the_callouts_account(config: str) -> str:
    """As it is before the first step."""
    members = read(before(config))
    members["accounts"][SERVER_MODE_NAMES["callout"]]["users"] = []
    return write(members)


async def test_accounts_and_users_are_taken_up_by_a_reload_which_cuts_nobody_off(environment: Environment) -> None:
    """The first step: the service can log in, and all others are still connected."""

    def add_pods(config: str) -> str:
        members = read(before(config))
        return write(members | {"accounts": members["accounts"] | {"PODS": {"jetstream": "enabled"}}})

    environment.server.restart(without_the_callouts_account)
    async with connected(environment, **WAYS["listed"]) as one, connected(environment, **WAYS["not listed"]) as other:
        environment.server.reload(add_pods)
        async with await environment.connect_as_service():
            pass
        for client in (one, other):
            await client.flush()
            assert (True, 0) == (client.is_connected, client.stats["reconnects"])


async def test_the_callout_comes_and_goes_by_a_restart_alone(environment: Environment) -> None:
    """A reload of it is refused as a whole, and changes nothing for anybody: on, one more user in the list, off."""
    environment.server.restart(before)
    async with connected(environment, **WAYS["not listed"]) as client:
        await refuse_reload(environment, after, "AuthCallout")
        assert (True, 0) == (client.is_connected, client.stats["reconnects"])
    environment.server.restart(after)
    async with ReferenceCallout(environment, judge):
        await refuse_reload(environment, lambda config: after(config, "stock"), "AuthCallout")
        await refuse_reload(environment, before, "AuthCallout")
        assert await enter(environment, WAYS["not listed"]) is None
    environment.server.restart(lambda config: after(config, "stock", "nobody"))
    assert [] == environment.server.logged("nobody")  # a name that it does not know is not worth a line to it
    assert "clients" == await enter(environment, WAYS["not listed"])
    environment.server.restart(before)
    assert {who for who in WAYS if who.startswith("not listed")} <= {
        who for who, options in WAYS.items() if await enter(environment, options)
    }
    assert await enter(environment, WAYS["a pod"]) is None


async def test_a_listed_user_changes_his_password_by_a_reload(environment: Environment) -> None:
    """The list names users, and no passwords."""

    def change(config: str) -> str:
        return after(config).replace(json.dumps(WAYS["listed"]), json.dumps(WAYS["listed"] | {"password": "new"}))

    environment.server.restart(after)
    environment.server.reload(change)
    assert "clients" == await enter(environment, WAYS["listed"] | {"password": "new"})
    assert await enter(environment, WAYS["listed"]) is None


@needs("jq, which the page's commands take", there=shutil.which("jq") is not None)
async def test_the_commands_of_the_page_say_who_is_there_and_who_is_shut_out(environment: Environment) -> None:
    """With the name and the account of before; whoever is refused for his token alone is not among them."""
    there, shut_out = (_command(wanted) for wanted in ("connz?auth=true&limit", "state=closed"))
    environment.server.restart(lambda config: before(config, http="127.0.0.1:-1"))
    async with await open_client(environment.url(), WAYS["not listed"]):
        assert ["1 APP stock plain"] == run([*BASH, there(environment)]).splitlines()
    environment.server.restart(lambda config: after(config, http="127.0.0.1:-1"))
    async with ReferenceCallout(environment, judge):
        for _ in range(2):
            assert await enter(environment, WAYS["not listed"]) is None
        assert await enter(environment, WAYS["not listed, by an nkey"]) is None
        assert await enter(environment, {"token": "another"}) is None
        assert await enter(environment, WAYS["listed"])
    found = sorted(run([*BASH, shut_out(environment)]).splitlines())
    assert [f"1 APP {OTHER_NKEY.public}", "2 APP stock"] == [line.rsplit(" ", 1)[0] for line in found]


def _command(wanted: str) -> Callable[[Environment], str]:
    """The page's command that asks so, on that server's port, its spaces made single."""
    [text] = [block.commands for block in blocks(PAGE.read_text()) if wanted in block.commands]

    def at(environment: Environment) -> str:
        file = environment.folder / f"{environment.setting.binary.path.name}_{environment.server.pid}.ports"
        port = json.loads(file.read_text())["monitoring"][0].rpartition(":")[2]
        return f"{{ {text.replace(':8222', f':{port}').rstrip()}; }} | tr -s ' \\t' ' ' | sed 's/^ //; s/ $//'"

    return at


@pytest.mark.parametrize("binary", BINARIES, ids=lambda binary: binary.line)
async def test_operator_mode_takes_it_up_by_a_reload_and_asks_about_nobody_else(
    binary: ServerBinary, tmp_path: Path
) -> None:
    """Users of accounts that have no callout of their own get in as ever, those of the pods' account among them."""
    mode: Mode = "operator-default-sentinel" if binary.has_default_sentinel() else "operator-creds"
    with run_line(binary, tmp_path / "nats", mode) as environment:
        keys = environment.keys
        in_force = read((environment.folder / "nats.conf").read_text())
        users = {role: NatsKey.generate("user") for role in ("clients", "other")}
        jwts = {role: user_jwt(user.public, keys.accounts[role], name=role) for role, user in users.items()}

        def keep(*, callout: bool) -> Edit:
            members = dict(in_force)  # rendered anew, the operator's JWT would be another one
            if not callout:
                members.pop("default_sentinel", None)
                preload = members["resolver_preload"]
                members["resolver_preload"] = {
                    name: jwt for name, jwt in preload.items() if name != keys.accounts["callout"].public
                }
            return lambda _: write(members)

        def show(role: str) -> dict[str, Any]:
            path = environment.folder / f"existing-{role}.creds"
            path.write_text(creds(jwts[role], users[role].seed))
            return {"user_credentials": str(path)}

        environment.server.restart(keep(callout=False))
        async with connected(environment, **show("other")) as one, connected(environment, **show("clients")) as other:
            environment.server.reload(keep(callout=True))
            async with ReferenceCallout(environment, judge) as callout:
                for role in users:
                    assert role == await enter(environment, show(role))
                assert await enter_as_leafnode_of(environment, jwts["other"], users["other"])
                assert [] == callout.requests
                async with await environment.connect(TOKEN):
                    assert 1 == len(callout.requests)
                assert await enter(environment, {}) is None
            environment.server.reload(keep(callout=False))
            assert "other" == await enter(environment, show("other"))
            for client in (one, other):
                await client.flush()
                assert (True, 0) == (client.is_connected, client.stats["reconnects"])

        authorization = {"auth_users": [keys.users[CALLOUT].public]}
        account = keys.accounts["other"]
        asking = account_jwt(account, keys.operator, "OTHER", authorization=authorization)
        preload = in_force["resolver_preload"] | {account.public: asking}
        environment.server.restart(lambda _: write(in_force | {"resolver_preload": preload}))
        assert await enter(environment, show("other")) is None
