"""callout.kube.listing: all ServiceAccounts once, from an API server that pages, refuses, and talks nonsense."""

import pytest

from callout.kube.client import KubeClient
from callout.kube.errors import ForbiddenError, NoAnswerError
from callout.kube.listing import list_serviceaccounts
from callout.kube.reflector import Limits
from tests.fake_kube_api import FakeKubeApi, Status

NAMES = ["a", "b", "c", "d", "e"]


@pytest.fixture(autouse=True)
def _inhabitants(api: FakeKubeApi) -> None:
    """Five in one namespace, one in another."""
    with api.cluster() as cluster:
        for name in NAMES:
            cluster.put("orders", name, annotations={"nats.io/x": "1", "other/x": "2"})
        cluster.put("billing", "invoicer")


def test_all_are_listed_page_by_page(api: FakeKubeApi, client: KubeClient) -> None:
    """Each once, with the annotations that were asked for; no watch is begun."""
    found = list(list_serviceaccounts(client, "nats.io/", limits=Limits(page_objects=2)))
    assert sorted([*(("orders", name) for name in NAMES), ("billing", "invoicer")]) == sorted(
        (one.namespace, one.name) for one in found
    )
    assert {"nats.io/x": "1"} == next(one.annotations for one in found if one.namespace == "orders")
    assert (3, 0) == (api.count("list"), api.count("watch"))


def test_those_that_cannot_be_read_are_told_of(api: FakeKubeApi, client: KubeClient) -> None:
    """They are left out, as the service leaves them out, and whoever asks knows that there are more."""
    with api.cluster() as cluster:
        cluster.put("orders", "b", uid="u\0")
    told: list[str] = []
    found = list(list_serviceaccounts(client, "nats.io/", "orders", limits=Limits(page_objects=2), tell=told.append))
    assert (["orders/b"], ["a", "c", "d", "e"]) == (told, [one.name for one in found])


def test_one_namespace_is_listed(client: KubeClient) -> None:
    """Where the service serves that one alone, it may see no other."""
    assert ["invoicer"] == [one.name for one in list_serviceaccounts(client, "nats.io/", "billing")]


def test_a_refusal_says_what_is_missing(api: FakeKubeApi, client: KubeClient) -> None:
    """As for the service, which needs the same right."""
    api.fail("list", Status(403))
    with pytest.raises(ForbiddenError, match="list serviceaccounts"):
        list(list_serviceaccounts(client, "nats.io/"))


def test_too_large_a_page_is_no_answer(client: KubeClient) -> None:
    """Nothing is read without end."""
    with pytest.raises(NoAnswerError):
        list(list_serviceaccounts(client, "nats.io/", limits=Limits(page_bytes=10)))
