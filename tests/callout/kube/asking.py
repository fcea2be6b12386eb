"""Requests to the Kubernetes API, as a client of ours sends them."""

from callout.kube.client import KubeClient, serviceaccounts_url
from callout.kube.errors import purpose_of
from tests.fake_kube_api import FakeKubeApi

LIST = purpose_of("list", "")


def ask(client: KubeClient) -> bytes:
    """Ask for a list."""
    body, _ = client.read(serviceaccounts_url(client.api_server_url, ""), LIST, 1_000_000)
    return body


def last_token(api: FakeKubeApi) -> str | None:
    """The credentials that the last request came with."""
    return api.requests[-1].headers.get("authorization")
