"""Tests of `callout.kube.client` in a pod: the files that are mounted there, and whose names it trusts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from callout.kube.client import KubeClient
from callout.kube.errors import ConfigurationError, NoAnswerError
from callout.secret import Secret
from tests.authority import Authority
from tests.callout.kube.asking import ask, last_token
from tests.fake_kube_api import FakeKubeApi


class Pod:
    """A client in a pod, with what is mounted there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = Authority(directory, "cluster", hosts=("kubernetes.default.svc",))
        self.api = FakeKubeApi(self.authority)
        self.environ = self.api.mount(directory, self.authority, "token-1")
        self.client = KubeClient(in_cluster=True, environ=self.environ, directory=directory)


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    """A pod in a cluster whose API server speaks TLS."""
    made = Pod(tmp_path)
    with made.api:
        yield made


def test_a_pod_trusts_its_clusters_authority(pod: Pod) -> None:
    """And shows its ServiceAccount's token."""
    pod.api.token = "token-1"
    ask(pod.client)
    assert pod.directory / "ca.crt" == pod.client.ca_file


def test_its_token_can_be_looked_at(pod: Pod, tmp_path: Path) -> None:
    """As it is now, and by that name alone; what a kubeconfig holds is another's."""
    token = pod.client.own_token
    assert token is not None
    assert ("***", "token-1") == (repr(token), token.reveal())
    (pod.directory / "token").write_text("token-two")
    assert Secret("token-two") == pod.client.own_token
    config = pod.api.write_kubeconfig(tmp_path / "config", pod.authority, token="token-3")
    assert KubeClient(in_cluster=False, kubeconfig=str(config)).own_token is None


def test_another_authority_is_not_trusted(pod: Pod, tmp_path: Path) -> None:
    """The line says what OpenSSL found, and nothing is sent."""
    pod.api.use(Authority(tmp_path, "other"))
    with pytest.raises(NoAnswerError, match=r"no trusted TLS connection .*(certificate|signature)"):
        ask(pod.client)
    assert [] == pod.api.requests


def test_a_rotated_token_takes_effect(pod: Pod) -> None:
    """With the next request, whether it is written in place or its link is swapped, as the kubelet does."""
    ask(pod.client)
    (pod.directory / "token").write_text("token-two")
    ask(pod.client)
    assert "bearer token-two" == last_token(pod.api)
    (pod.directory / "token-3").write_text("token-333")
    (pod.directory / "token").unlink()
    (pod.directory / "token").symlink_to("token-3")
    ask(pod.client)
    assert "bearer token-333" == last_token(pod.api)


def test_a_rotated_authority_takes_effect(pod: Pod, tmp_path: Path) -> None:
    """The new CA is trusted from the next request on, the old one no more."""
    ask(pod.client)
    after = Authority(tmp_path, "after")
    pod.api.use(after)
    pod.api.mount(pod.directory, after, "token-1")
    ask(pod.client)
    assert 2 == pod.api.count("list")


def test_an_unreadable_token_is_an_error_and_then_none(pod: Pod) -> None:
    """While the files are incomplete requests fail; afterwards they work again."""
    ask(pod.client)
    (pod.directory / "token").unlink()
    with pytest.raises(ConfigurationError):
        ask(pod.client)
    (pod.directory / "token").write_text("token-4")
    ask(pod.client)
    assert "bearer token-4" == last_token(pod.api)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("{api}/openid/v1/jwks", True),
        ("https://kubernetes.default.svc/openid/v1/jwks", True),
        ("https://kubernetes.default.svc:{port}/openid/v1/jwks", True),
        ("https://kubernetes.default/x", True),
        ("https://kubernetes.default.svc.cluster.local/x", True),
        ("https://kubernetes.default.svc:8443/x", False),
        ("https://kubernetes.default.svc.example/x", False),
        ("https://dex.auth.svc/keys", False),
        ("http://127.0.0.1:{port}/x", False),
        ("https://127.0.0.1/x", False),
        ("https://localhost:{port}/x", False),
    ],
)
def test_a_pod_knows_which_addresses_are_the_api_servers(pod: Pod, url: str, expected: bool) -> None:
    """Its origin from the environment, and the names that cluster DNS has for it; nothing else."""
    assert expected is pod.client.owns(url.format(api=pod.api.url, port=pod.api.port))
