"""What changes while the service runs takes effect without a restart, and without a login that fails for it."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.fake_kube_api import FakeKubeApi
from tests.interop.changing_cluster import ApiCluster, ChangingCluster, key_set, replace
from tests.interop.environments import Environment
from tests.interop.key_server import KeyServer
from tests.interop.operation import (
    PLAIN,
    Logins,
    is_let_in,
    may_publish,
    serve,
    until_let_in,
    until_reasons,
    until_refused,
)
from tests.minting import Issuer
from tests.service import Service
from tests.waiting import PATIENCE_SECONDS, until

ASK_INTERVAL_SECONDS = 10
"""Unknown keys make the service fetch the key set that often at most."""
TRIES = 8
"""Enough for both workers to have had one, but for one time in a hundred."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """One environment: none of this depends on the server."""
    with Environment(PLAIN, tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest.fixture(params=["files", "API server"])
def any_cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ChangingCluster]:
    """A cluster of files, and one behind an API server."""
    if request.param == "files":
        yield ChangingCluster(tmp_path)
        return
    with FakeKubeApi() as api:
        yield ApiCluster(tmp_path, api)


async def until_key_sets(service: Service, number: int) -> None:
    """Wait until that many key sets have been put in force since the start."""
    await until(
        lambda: len(service.log_lines("key set in force")) == number, PATIENCE_SECONDS, f"key set {number} in force"
    )


async def test_keys_in_a_file_are_rotated_without_a_failed_login(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """Published before it signs, a new key costs no login; withdrawn, the old one opens no door, remembered or not."""
    old, new = cluster.signer, Issuer.generate("RS256")
    async with serve(environment, cluster) as service:
        remembered = cluster.token("orders", "checkout")
        async with Logins(environment, cluster) as logins:
            assert [True] * TRIES == [await is_let_in(environment, remembered) for _ in range(TRIES)]
            cluster.publish(old, new)
            await until_key_sets(service, 2)
            await logins.more()
            cluster.signer = new
            await logins.more()
            assert await is_let_in(environment, remembered)
            cluster.publish(new)
            await until_key_sets(service, 3)
            assert [False] * TRIES == [await is_let_in(environment, remembered) for _ in range(TRIES)]
            await logins.more()
        assert [] == logins.refusals
        await until_reasons(service, ["token_unknown_key"] * TRIES)


async def test_keys_at_a_url_are_rotated_and_an_unknown_key_has_them_fetched(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """Whoever shows an unknown key brings on a fetch, but however many they are, one in ten seconds."""
    old, new, stranger = cluster.signer, Issuer.generate("ES256"), Issuer.generate("ES256")

    async def show_unknown_key() -> None:
        cluster.signer, signer = stranger, cluster.signer
        token = cluster.token("orders", "checkout")
        cluster.signer = signer
        assert [False] * TRIES == [await is_let_in(environment, token) for _ in range(TRIES)]

    with KeyServer(key_set(old), max_age=1) as server:
        async with serve(environment, cluster, JWKS_PATH="", JWKS_URL=server.url) as service:
            token = cluster.token("orders", "checkout")
            assert await is_let_in(environment, token)
            server.document = key_set(old, new)
            await show_unknown_key()
            await until_key_sets(service, 2)
            cluster.signer = new
            async with Logins(environment, cluster) as logins:
                await logins.more()
            assert [] == logins.refusals
            assert await is_let_in(environment, token)
            server.document = key_set(new)
            await show_unknown_key()
            await until_key_sets(service, 3)
            assert not await is_let_in(environment, token)
            # Less than the interval itself, since the fetches take their time too; without a limit they would follow
            # each other at once.
            assert all(later - sooner > ASK_INTERVAL_SECONDS / 2 for sooner, later in pairwise(server.fetches))


async def test_a_deleted_serviceaccount_is_refused(environment: Environment, any_cluster: ChangingCluster) -> None:
    """Its token is as good as before, and opens nothing any more."""
    any_cluster.put("orders", "checkout")
    async with serve(environment, any_cluster) as service:
        token = any_cluster.token("orders", "checkout")
        assert await is_let_in(environment, token)
        any_cluster.delete("orders", "checkout")
        await until_refused(environment, token)
        await until_reasons(service, ["serviceaccount_unknown"])


async def test_a_recreated_serviceaccount_is_another_one(
    environment: Environment, any_cluster: ChangingCluster
) -> None:
    """Tokens of the first are refused, those of the second let in."""
    any_cluster.put("orders", "checkout")
    async with serve(environment, any_cluster) as service:
        first = any_cluster.token("orders", "checkout")
        assert await is_let_in(environment, first)
        any_cluster.put("orders", "checkout", recreate=True)
        await until_refused(environment, first)
        await until_let_in(environment, any_cluster.token("orders", "checkout"))
        assert not await is_let_in(environment, first)
        await service.logged("login denied", reason="serviceaccount_recreated")


async def test_a_new_annotation_counts_from_the_next_login_on(
    environment: Environment, any_cluster: ChangingCluster
) -> None:
    """New logins get the new permissions; who is in keeps the old ones."""
    any_cluster.put("orders", "checkout", pub=["events.old"])
    async with serve(environment, any_cluster):
        token = any_cluster.token("orders", "checkout")
        async with await environment.connect(token) as before:
            assert await may_publish(before, "events.old")
            any_cluster.put("orders", "checkout", pub=["events.new"])

            async def has_the_new_permission() -> bool:
                async with await environment.connect(token) as after:
                    return await may_publish(after, "events.new")

            await until(has_the_new_permission, PATIENCE_SECONDS, "the new permission")
            async with await environment.connect(token) as after:
                assert not await may_publish(after, "events.old")
            assert await may_publish(before, "events.old")
            assert not await may_publish(before, "events.new")


async def test_an_edited_ceiling_applies_to_everyone(
    environment: Environment, any_cluster: ChangingCluster, tmp_path: Path
) -> None:
    """It takes away and gives back; an edit that cannot be read leaves the last one in force and is reported."""
    ceiling = tmp_path / "ceiling.yaml"
    replace(ceiling, "pub: [events.>]\nsub: ['>']\n")
    any_cluster.put("orders", "checkout", pub=["events.>"])
    async with serve(environment, any_cluster, NATS_CEILING_FILE=str(ceiling)) as service:
        token = any_cluster.token("orders", "checkout")

        async def is_cut_down() -> bool:
            async with await environment.connect(token) as client:
                return not await may_publish(client, "events.new")

        async def is_not_cut_down() -> bool:
            return not await is_cut_down()

        assert await is_not_cut_down()
        replace(ceiling, "pub: []\nsub: ['>']\n")
        await until(is_cut_down, PATIENCE_SECONDS, "the lower ceiling holds")
        assert 1 == service.metric("nats_auth_filtered_subjects_total", side="pub", reason="above_ceiling")
        replace(ceiling, "pub: [events.>\n")
        line = await service.logged("changed ceiling not taken; the last one stays in force")
        assert line["error"].startswith(f"NATS_CEILING_FILE: {ceiling} is not valid YAML in line 2; write two lists")
        assert await is_cut_down()
        replace(ceiling, "pub: [events.>]\nsub: ['>']\n")
        await until(is_not_cut_down, PATIENCE_SECONDS, "the higher ceiling holds")
