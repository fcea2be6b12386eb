"""The cluster that the end-to-end tests stand on does what a real one does, where they lean on it."""

import json
import secrets

import jwt
import pytest

from tests.e2e.cluster import ISSUER, Cluster
from tests.waiting import until_sync

JWKS = "/openid/v1/jwks"
DISCOVERY = "/.well-known/openid-configuration"
BOTH = ("--audience=nats", f"--audience={ISSUER}")
"""For a token that the API server takes too; with another audience alone it would not."""
TOKEN_CACHE_SECONDS = 30
"""The API server remembers for ten seconds that it found a token good."""


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    """A namespace of the test's own, with the ServiceAccount `checkout`."""
    name = f"orders-{secrets.token_hex(4)}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("create", "serviceaccount", "-n", name, "checkout")
    return name


def _key_ids(cluster: Cluster, token: str) -> list[str]:
    status, body = cluster.get(JWKS, token)
    assert 200 == status
    return [key["kid"] for key in json.loads(body)["keys"]]


def _key_id(token: str) -> str:
    kid: str = jwt.get_unverified_header(token)["kid"]
    return kid


def _verify(cluster: Cluster, token: str) -> dict[str, object]:
    keys = jwt.PyJWKSet.from_json(cluster.get(JWKS, token)[1].decode())
    claims: dict[str, object] = jwt.decode(
        token, keys[_key_id(token)], algorithms=["RS256", "ES256"], audience="nats", issuer=ISSUER
    )
    return claims


def test_it_says_that_it_is_ready(cluster: Cluster) -> None:
    """Anyone may ask."""
    assert (200, b"ok") == cluster.get("/readyz")


def test_a_token_verifies_against_the_published_keys(cluster: Cluster, namespace: str) -> None:
    """A ServiceAccount may read the keys with its own token, and its token is signed with one of them."""
    token = cluster.create_token(namespace, "checkout", *BOTH)
    claims = _verify(cluster, token)
    account = cluster.kubectl.read("serviceaccount", "-n", namespace, "checkout")
    expected = {"namespace": namespace, "serviceaccount": {"name": "checkout", "uid": account["metadata"]["uid"]}}
    assert f"system:serviceaccount:{namespace}:checkout" == claims["sub"]
    assert expected == claims["kubernetes.io"]


def test_the_discovery_document_names_issuer_and_keys(cluster: Cluster, namespace: str) -> None:
    """What a verifier asks first, with its token."""
    status, body = cluster.get(DISCOVERY, cluster.create_token(namespace, "checkout"))
    document = json.loads(body)
    assert (200, ISSUER) == (status, document["issuer"])
    assert document["jwks_uri"].endswith(JWKS)


@pytest.mark.parametrize("path", [JWKS, DISCOVERY])
def test_nobody_reads_the_keys_anonymously(cluster: Cluster, path: str) -> None:
    """So a verifier has to send its token."""
    assert 403 == cluster.get(path)[0]


def test_a_serviceaccount_may_only_what_it_was_granted(cluster: Cluster, namespace: str) -> None:
    """RBAC is on: listing ServiceAccounts fails before the grant and works after it."""
    kubectl = cluster.kubectl_as(cluster.create_token(namespace, "checkout"))
    listing = ("get", "serviceaccounts", "-n", namespace, "-o", "name")
    refused = kubectl.attempt(*listing)
    assert 1 == refused.returncode
    assert "Forbidden" in refused.stderr
    cluster.kubectl("create", "role", "-n", namespace, "lister", "--verb=list", "--resource=serviceaccounts")
    cluster.kubectl(
        "create", "rolebinding", "-n", namespace, "lister", "--role=lister", f"--serviceaccount={namespace}:checkout"
    )
    assert "serviceaccount/checkout\n" == kubectl(*listing)


def test_the_token_of_a_deleted_serviceaccount_is_refused(cluster: Cluster, namespace: str) -> None:
    """The API server looks at what exists now, unlike a verifier that has the keys alone."""
    token = cluster.create_token(namespace, "checkout")
    assert 200 == cluster.get(JWKS, token)[0]
    cluster.kubectl("delete", "serviceaccount", "-n", namespace, "checkout")
    until_sync(lambda: cluster.get(JWKS, token)[0] == 401, TOKEN_CACHE_SECONDS, "the token is refused")


def test_a_restart_keeps_objects_and_address(cluster: Cluster, namespace: str) -> None:
    """Also after a death without warning."""
    before = cluster.kubectl.read("serviceaccount", "-n", namespace, "checkout")
    cluster.restart()
    assert before == cluster.kubectl.read("serviceaccount", "-n", namespace, "checkout")
    cluster.kill()
    cluster.start()
    assert before == cluster.kubectl.read("serviceaccount", "-n", namespace, "checkout")


def test_a_watch_is_told_that_nothing_has_changed(cluster: Cluster) -> None:
    """By a bookmark: each minute, and shortly before the watch ends, if something else has changed meanwhile."""
    path = "/api/v1/persistentvolumes"  # nobody has any
    version = json.loads(cluster.get(path, cluster.admin_token)[1])["metadata"]["resourceVersion"]
    cluster.kubectl("create", "namespace", f"other-{secrets.token_hex(4)}")
    watch = f"{path}?watch=1&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds=10"
    events = [json.loads(line) for line in cluster.get(watch, cluster.admin_token)[1].splitlines()]
    assert {"BOOKMARK"} == {event["type"] for event in events}


def test_versions_expire(cluster: Cluster, namespace: str) -> None:
    """A list at an expired version, and a watch from it, are told 410 Gone; new ones work."""
    role = "--clusterrole=system:aggregate-to-view"  # what `view` would be with a controller manager
    cluster.kubectl("create", "rolebinding", "-n", namespace, "viewer", role, f"--serviceaccount={namespace}:checkout")
    token = cluster.create_token(namespace, "checkout")
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    version = json.loads(cluster.get(path, token)[1])["metadata"]["resourceVersion"]
    exact_list = f"{path}?resourceVersion={version}&resourceVersionMatch=Exact"
    watch = f"{path}?resourceVersion={version}&watch=1&timeoutSeconds=1"
    assert (200, 200) == (cluster.get(exact_list, token)[0], cluster.get(watch, token)[0])
    cluster.expire_versions()
    assert 410 == cluster.get(exact_list, token)[0]
    status, body = cluster.get(watch, token)
    assert (200, "ERROR", 410) == (status, json.loads(body)["type"], json.loads(body)["object"]["code"])
    assert 1 == len(cluster.kubectl.read("serviceaccounts", "-n", namespace)["items"])


def test_signing_keys_rotate(cluster: Cluster, namespace: str) -> None:
    """A new key is published beside the old one, then signs, while old tokens still verify; then the old one goes."""
    [old] = cluster.keys
    new = cluster.make_signing_key("ES256")
    before = cluster.create_token(namespace, "checkout", *BOTH)
    cluster.restart([old, new])
    assert 2 == len(set(_key_ids(cluster, before)))
    assert _key_id(before) == _key_id(cluster.create_token(namespace, "checkout"))
    cluster.restart([new, old])
    after = cluster.create_token(namespace, "checkout", *BOTH)
    assert {_key_id(before), _key_id(after)} == set(_key_ids(cluster, after))
    assert _verify(cluster, before)["sub"] == _verify(cluster, after)["sub"]
    cluster.restart([new])
    assert [_key_id(after)] == _key_ids(cluster, after)
    assert 401 == cluster.get(JWKS, before)[0]
