"""Whatever stands in the files and comes from the API server while the service runs: it goes on serving."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fake_kube_api import Body, Cut, FakeKubeApi, Status
from tests.interop.changing_cluster import ApiCluster, ChangingCluster, move_away, replace
from tests.interop.environments import Environment
from tests.interop.operation import PLAIN, is_let_in, serve, until_let_in
from tests.minting import Issuer
from tests.waiting import PATIENCE_SECONDS, until

MIB = 1 << 20
DEEP = 200_000
CANNOT_REFRESH = "the key set cannot be refreshed; the last one stays in force"
PROBLEM = "problem with a ServiceAccount file"

# Each is another problem than the one before: a problem that goes on is logged once.
BAD_KEY_SETS = {
    "empty": b"",
    "binary": b"\0\xff" * 1000,
    "cut off": b'{"keys": [{"kty": "RSA", ',
    "deep": b'{"keys": ' + b"[" * DEEP,
    "without a key": b'{"keys": [{"kty": "RSA", "kid": "x"}, {"kty": 7}, {}]}',
    "too large": b'{"keys": []}' + b" " * 2 * MIB,
}
BAD_MANIFESTS = {
    "binary.yaml": b"\0\xff" * 1000,
    "cut-off.yaml": b"apiVersion: v1\nkind: [",
    "deep.yaml": b"[" * DEEP,
    "laughs.yaml": b"a: &a [x, x, x, x, x, x, x, x, x]\n"
    + b"".join(b"%c: &%c [%b]\n" % (name, name, b", ".join([b"*%c" % (name - 1)] * 9)) for name in b"bcdefghijklm"),
    "no-object.yaml": b"7\n",
    "no-mapping.yaml": b"apiVersion: v1\nkind: ServiceAccount\nmetadata: [1]\n",
    "too-large.yaml": b"# \n" * 2 * MIB,
    "tag.yaml": b"!!python/object/apply:os.abort []\n",
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """One environment: none of this depends on the server."""
    with Environment(PLAIN, tmp_path_factory.mktemp("nats")) as running:
        yield running


async def test_a_bad_key_set_leaves_the_last_one_in_force(environment: Environment, cluster: ChangingCluster) -> None:
    """Whatever the file holds, or that it is gone: logins go on, and the next good key set is taken."""
    async with serve(environment, cluster) as service:
        token = cluster.token("orders", "checkout")

        async def noticed(what: str) -> None:
            before = len(service.log_lines(CANNOT_REFRESH))
            await until(
                lambda: len(service.log_lines(CANNOT_REFRESH)) > before,
                PATIENCE_SECONDS,
                f"the key set is seen to be {what}",
            )
            assert await is_let_in(environment, token)

        for name, content in BAD_KEY_SETS.items():
            replace(cluster.jwks, content)
            await noticed(name)
        move_away(cluster.jwks)
        os.mkfifo(cluster.jwks)
        await noticed("a pipe")
        assert 0 < service.metric("nats_auth_keyset_refresh_failures")
        cluster.signer = Issuer.generate("ES256")
        cluster.publish(cluster.signer)
        await until_let_in(environment, cluster.token("orders", "checkout"))
        assert not await is_let_in(environment, token)
        assert 0 == service.metric("nats_auth_keyset_refresh_failures")


async def test_bad_manifests_harm_nobody(environment: Environment, cluster: ChangingCluster) -> None:
    """Each is reported by name; the ServiceAccounts of the others count, those of a folder that is gone as well."""
    async with serve(environment, cluster) as service:
        token = cluster.token("orders", "checkout")
        for name, content in BAD_MANIFESTS.items():
            replace(cluster.manifests / name, content)
        os.mkfifo(cluster.manifests / "pipe.yaml")
        (cluster.manifests / "folder.yaml").mkdir()
        names = {*BAD_MANIFESTS, "pipe.yaml", "folder.yaml"}

        def reported() -> set[str]:
            return {line["problem"].partition(":")[0] for line in service.log_lines(PROBLEM)}

        await until(lambda: names <= reported(), PATIENCE_SECONDS, "every one of them is reported")
        assert await is_let_in(environment, token)
        cluster.put("orders", "late")
        await until_let_in(environment, cluster.token("orders", "late"))
        folder = move_away(cluster.manifests)
        await until(lambda: str(cluster.manifests) in reported(), PATIENCE_SECONDS, "the missing folder is reported")
        assert await is_let_in(environment, token)
        folder.rename(cluster.manifests)
        cluster.put("orders", "later")
        await until_let_in(environment, cluster.token("orders", "later"))
        cluster.put("orders", "checkout", recreate=True)
        await until_let_in(environment, cluster.token("orders", "checkout"))
        assert 200 == service.get("/readyz")[0]
        assert 0 == service.metric("nats_auth_worker_restarts_total")


async def test_an_api_server_that_misbehaves_ends_nothing(environment: Environment, tmp_path: Path) -> None:
    """Watches are cut, hold garbage or are forgotten, lists fail: logins go on, and in the end everything is known."""
    with FakeKubeApi() as api:
        cluster = ApiCluster(tmp_path, api)
        cluster.put("orders", "checkout")
        async with serve(environment, cluster) as service:
            token = cluster.token("orders", "checkout")
            api.fail("list", Status(500), Body(b"\0\xff"))
            api.fail("watch", Cut(), Body(b"garbage"))
            with api.cluster() as history:
                history.compact()
            api.end_watches()
            cluster.put("orders", "late")
            await service.logged("the watch of ServiceAccounts has failed and goes on")
            assert 0 < service.metric("nats_auth_watch_restarts_total")
            assert await is_let_in(environment, token)
            await until_let_in(environment, cluster.token("orders", "late"))
            assert await is_let_in(environment, token)
            assert 200 == service.get("/readyz")[0]


async def test_without_the_api_server_logins_go_on(environment: Environment, tmp_path: Path) -> None:
    """The last snapshot and the last key set decide, and the metrics tell that nobody keeps them up to date."""
    with FakeKubeApi() as api:
        cluster = ApiCluster(tmp_path, api)
        cluster.put("orders", "checkout")
        async with serve(environment, cluster) as service:
            api.close()
            await service.logged("the watch of ServiceAccounts has failed and goes on")
            assert 0 == service.metric("nats_auth_watch_connected")
            assert await is_let_in(environment, cluster.token("orders", "checkout"))
            assert not await is_let_in(environment, cluster.token("orders", "nobody"))
            assert 200 == service.get("/readyz")[0]
            assert 0 == await service.stop()
