"""Tests of `callout.keys.reader`: one attempt, from the API server, another host or a file."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callout.keys.own_token import OwnToken
from callout.keys.reader import KEY_SET_PATH, KeyReader, KeySetError
from callout.keys.rules import MAX_DOCUMENT_BYTES
from callout.kube.client import KubeClient
from tests.authority import Authority
from tests.fake_kube_api import Body, Cut, Drip, Endless, FakeKubeApi, Fault, Stall, Status
from tests.minting import Issuer

ISSUERS = ("https://issuer.example",)


def refusal(reader: KeyReader) -> str:
    """The line that says why there is no key set."""
    with pytest.raises(KeySetError) as caught:
        reader.read()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_key_set_and_the_issuer_come_from_the_api_server(api: FakeKubeApi, client: KubeClient, old: bytes) -> None:
    """From its own paths, with our token; `jwks_uri` leads elsewhere and is not followed."""
    found = KeyReader(client=client).read()
    assert (old, (api.issuer,), 3600.0) == (found.document, found.issuers, found.max_age)
    assert [("jwks", KEY_SET_PATH), ("issuer", "/.well-known/openid-configuration")] == [
        (request.kind, request.path) for request in api.requests
    ]
    assert {"Bearer our-token"} == {request.headers["authorization"] for request in api.requests}


def test_the_key_set_is_handed_on_parsed(api: FakeKubeApi, client: KubeClient, new: bytes) -> None:
    """With the keys that were left out, and why: nobody has to parse it once more to know."""
    document = json.loads(new)
    document["keys"].append({"kty": "RSA", "kid": "bad"})
    api.jwks = json.dumps(document).encode()
    keyset = KeyReader(client=client).read().keyset
    assert {"first", "second"} == set(keyset.keys)
    assert ["key 2 ('bad') left out"] == [problem.partition(":")[0] for problem in keyset.problems]


def test_in_a_pod_its_own_token_is_looked_at(tmp_path: Path, old: bytes) -> None:
    """Nothing is asked for it, nor does anything fail because of it."""
    authority = Authority(tmp_path, "cluster")
    own = Issuer.generate("ES256").token("ns", "callout", "u-1", audience=["k3s"], issuer=ISSUERS[0], now=1.0)
    (tmp_path / "keys").write_bytes(old)
    with FakeKubeApi(authority) as api:
        environ = api.mount(tmp_path, authority, own)
        client = KubeClient(in_cluster=True, environ=environ, directory=tmp_path)
        reader = KeyReader(path=tmp_path / "keys", issuers=ISSUERS, client=client)
        assert OwnToken(ISSUERS[0], ("k3s",)) == reader.read().own
        (tmp_path / "token").unlink()
        assert OwnToken() == reader.read().own
        assert [] == api.requests


def test_an_issuer_that_is_set_is_not_asked_for(api: FakeKubeApi, client: KubeClient) -> None:
    """JWT_ISSUER has the last word."""
    assert ("a", "b") == KeyReader(client=client, issuers=("a", "b")).read().issuers
    assert 0 == api.count("issuer")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Status(500), "status 500"),
        (Status(401), "does not accept our credentials (401)"),
        (Status(403), "system:service-account-issuer-discovery"),
        (Status(302, "https://elsewhere.example"), "redirects (302)"),
        (Cut(), "broke"),
        (Endless(), f"sent more than {MAX_DOCUMENT_BYTES} bytes"),
        (
            Body(b'{"keys":[]}'),
            "the answer is no key set that can be used (no key of the JWK Set can be used); set JWKS_URL",
        ),
        (Body(b"garbage"), "no key set that can be used (not a JWK Set"),
    ],
)
def test_what_is_no_key_set_is_told(api: FakeKubeApi, client: KubeClient, fault: Fault, words: str) -> None:
    """In one line that says where the key set was looked for, what was wrong, and what to do."""
    api.fail("jwks", fault)
    message = refusal(KeyReader(client=client))
    assert message.startswith("key set of the API server (/openid/v1/jwks): ")
    assert words in message


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Body(b"garbage"), "no JSON object with an issuer"),
        (Endless(), "sent more than"),
        (Status(403), "system:service-account-issuer-discovery"),
    ],
)
def test_without_an_issuer_there_is_nothing(api: FakeKubeApi, client: KubeClient, fault: Fault, words: str) -> None:
    """Keys without knowing whose they are would verify anything."""
    api.fail("issuer", fault)
    message = refusal(KeyReader(client=client))
    assert message.startswith("issuer of the API server (/.well-known/openid-configuration): ")
    assert words in message
    assert message.endswith("; or set JWT_ISSUER")


def test_another_host_gets_no_token(api: FakeKubeApi, client: KubeClient, new: bytes) -> None:
    """The token is the API server's; another port of the same host is another host."""
    with FakeKubeApi() as elsewhere:
        elsewhere.jwks = new
        reader = KeyReader(client=client, url=elsewhere.url + KEY_SET_PATH, issuers=ISSUERS)
        assert new == reader.read().document
        assert [False] == ["authorization" in request.headers for request in elsewhere.requests]
    assert [] == api.requests


def test_without_an_api_server_a_url_is_enough(api: FakeKubeApi, old: bytes) -> None:
    """ServiceAccounts from files and keys from anywhere."""
    assert old == KeyReader(url=api.url + KEY_SET_PATH, issuers=ISSUERS).read().document


@pytest.mark.parametrize("own", [True, False])
def test_a_redirect_is_not_followed(api: FakeKubeApi, client: KubeClient, *, own: bool) -> None:
    """Neither with the token nor without it: who redirects could choose the keys."""
    with FakeKubeApi() as target:
        api.fail("jwks", Status(302, target.url + KEY_SET_PATH))
        reader = KeyReader(client=client) if own else KeyReader(url=api.url + KEY_SET_PATH, issuers=ISSUERS)
        assert "302" in refusal(reader)
        assert [] == target.requests


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://keys.example/jwks", "loopback"),
        ("https://user:hunter2@keys.example/jwks", "user name or password"),
        ("keys.example", "no URL"),
    ],
)
def test_a_url_that_is_not_safe_is_refused(url: str, words: str) -> None:
    """Without TLS beyond this machine, or with a password in it."""
    message = refusal(KeyReader(url=url, issuers=ISSUERS))
    assert message.startswith("JWKS_URL: ")
    assert words in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Endless(), "sent more than"),
        (Status(401), "readable without a token"),
        (Cut(), "broke"),
        (Body(b"<html>"), "set it to the address of the issuer's key set"),
    ],
)
def test_another_host_that_fails_is_told(api: FakeKubeApi, fault: Fault, words: str) -> None:
    """In one line that names the setting."""
    api.fail("jwks", fault)
    message = refusal(KeyReader(url=api.url + KEY_SET_PATH, issuers=ISSUERS))
    assert message.startswith("JWKS_URL: ")
    assert words in message


def test_a_host_that_is_not_there_is_told() -> None:
    """In one line."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/jwks"
        assert "no connection to 127.0.0.1 (connection refused)" in refusal(KeyReader(url=url, issuers=ISSUERS))


@pytest.mark.parametrize("kind", ["jwks", "issuer"])
@pytest.mark.parametrize("fault", [Stall(), Stall(head=False), Drip(), Drip(head=False)])
def test_the_api_server_is_not_waited_for(api: FakeKubeApi, client: KubeClient, kind: str, fault: Fault) -> None:
    """A server that says nothing, or too little at a time, has so many seconds and no more, in all."""
    api.fail(kind, fault)
    message = refusal(KeyReader(client=client, seconds=0.3))
    assert any(words in message for words in ("took more than", "stopped sending"))


@pytest.mark.parametrize("fault", [Stall(), Stall(head=False), Drip(), Drip(head=False)])
def test_another_host_is_not_waited_for(api: FakeKubeApi, fault: Fault) -> None:
    """Nor any other."""
    api.fail("jwks", fault)
    message = refusal(KeyReader(url=api.url + KEY_SET_PATH, issuers=ISSUERS, seconds=0.3))
    assert any(words in message for words in ("took more than", "stopped sending"))


def test_all_requests_of_an_attempt_share_its_time(api: FakeKubeApi, client: KubeClient) -> None:
    """When the key set has used it up, the issuer is not even asked for."""
    reader = KeyReader(client=client, clock=lambda: 100.0 * api.count("jwks"))
    assert "it took more than 30 s in all" in refusal(reader)
    assert 1 == api.count("jwks")
    assert 0 == api.count("issuer")


class Pod:
    """A client in a pod of a cluster with an authority of its own, and another host outside of it."""

    def __init__(self, directory: Path, jwks: bytes) -> None:
        self.authority = Authority(directory, "cluster", hosts=("keys.auth.svc",))
        self.api = FakeKubeApi(self.authority)
        self.api.jwks = jwks
        self.client = KubeClient(
            in_cluster=True, environ=self.api.mount(directory, self.authority, "our-token"), directory=directory
        )


@pytest.fixture
def pod(tmp_path: Path, old: bytes) -> Iterator[Pod]:
    """A pod in a cluster."""
    made = Pod(tmp_path, old)
    with made.api:
        yield made


def test_the_api_server_is_trusted_by_its_own_authority(pod: Pod, old: bytes) -> None:
    """In a pod, over TLS."""
    assert old == KeyReader(client=pod.client).read().document


def test_another_host_is_not_trusted_by_the_clusters_authority(pod: Pod) -> None:
    """Who can have certificates from the cluster's CA could otherwise pose as any host outside."""
    with FakeKubeApi(pod.authority) as elsewhere:
        reader = KeyReader(client=pod.client, url=elsewhere.url + KEY_SET_PATH, issuers=ISSUERS)
        assert "no trusted TLS connection to 127.0.0.1" in refusal(reader)
        assert [] == elsewhere.requests


def test_another_host_is_trusted_by_the_systems_authorities(
    pod: Pod, new: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that OpenSSL finds."""
    public = Authority(tmp_path, "public")
    monkeypatch.setenv("SSL_CERT_FILE", str(public.ca_file))
    with FakeKubeApi(public) as elsewhere:
        elsewhere.jwks = new
        reader = KeyReader(client=pod.client, url=elsewhere.url + KEY_SET_PATH, issuers=ISSUERS)
        assert new == reader.read().document
        assert "authorization" not in elsewhere.requests[0].headers


def test_a_name_of_the_cluster_is_trusted_by_the_clusters_authority(
    pod: Pod, new: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another service in the cluster gets no token, but the cluster's CA may vouch for it."""
    real = socket.getaddrinfo

    def resolve(host: str, *rest: Any, **options: Any) -> Any:
        return real("127.0.0.1" if host == "keys.auth.svc" else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)  # there is no cluster DNS here
    with FakeKubeApi(pod.authority) as elsewhere:
        elsewhere.jwks = new
        url = f"https://keys.auth.svc:{elsewhere.port}{KEY_SET_PATH}"
        assert new == KeyReader(client=pod.client, url=url, issuers=ISSUERS).read().document
        assert "authorization" not in elsewhere.requests[0].headers


def test_a_file_is_read(tmp_path: Path, old: bytes) -> None:
    """Without anybody being asked; it says nothing of how long it stays fresh."""
    path = tmp_path / "jwks.json"
    path.write_bytes(old)
    reader = KeyReader(path=path, issuers=ISSUERS)
    found = reader.read()
    assert reader.is_file
    assert (old, ISSUERS, None) == (found.document, found.issuers, found.max_age)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, " cannot be read: no such file or directory; write the issuer's key set there"),
        (b" " * (MAX_DOCUMENT_BYTES + 1), f" cannot be read: larger than {MAX_DOCUMENT_BYTES} bytes"),
        (b"half a key se", " is no key set that can be used (not a JWK Set"),
        (b'{"keys":[]}', "kubectl get --raw /openid/v1/jwks"),
    ],
)
def test_a_file_that_is_no_key_set_is_told(tmp_path: Path, content: bytes | None, words: str) -> None:
    """In one line with the setting and the path."""
    path = tmp_path / "jwks.json"
    if content is not None:
        path.write_bytes(content)
    message = refusal(KeyReader(path=path, issuers=ISSUERS))
    assert message.startswith(f"JWKS_PATH: {path} ")
    assert words in message


def test_an_issuer_may_come_from_the_api_server_and_the_keys_from_a_file(
    api: FakeKubeApi, client: KubeClient, tmp_path: Path, new: bytes
) -> None:
    """As each is set."""
    path = tmp_path / "jwks.json"
    path.write_bytes(new)
    found = KeyReader(path=path, client=client).read()
    assert (new, (api.issuer,)) == (found.document, found.issuers)


@pytest.mark.parametrize("arguments", [{}, {"url": "https://a.example"}, {"issuers": ("a",)}])
def test_what_cannot_be_found_out_must_be_given(arguments: dict[str, Any]) -> None:
    """Without an API server to ask, both key set and issuer."""
    with pytest.raises(ValueError, match="must be given"):
        KeyReader(**arguments)
