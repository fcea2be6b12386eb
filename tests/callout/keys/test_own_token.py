"""What our own pod's token tells of the cluster, if it tells anything."""

from typing import Any

import pytest

from callout.keys.own_token import OwnToken, read_own_token
from callout.keys.rules import MAX_ISSUER_LENGTH
from tests.minting import Issuer

NAME = "https://issuer.example"
API = ("https://kubernetes.default.svc.cluster.local", "k3s")
SIGNER = Issuer.generate("ES256")


def make_token(**changes: Any) -> str:
    """A token of the service, for the API server unless something is changed."""
    given: dict[str, Any] = {"audience": list(API), "issuer": NAME, "now": 1_700_000_000.0}
    return SIGNER.token("nats-system", "callout", "u-1", **(given | changes))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, OwnToken(NAME, API)),
        ({"audience": "one"}, OwnToken(NAME, ("one",))),
        ({"audience": []}, OwnToken(NAME)),
        ({"audience": ["", "a\nb", "x" * (MAX_ISSUER_LENGTH + 1), "one"]}, OwnToken(NAME, ("one",))),
        ({"issuer": "a\nb"}, OwnToken("", API)),
        ({"issuer": "kubernetes/serviceaccount"}, OwnToken()),
    ],
)
def test_it_names_the_clusters_issuer_and_the_api_servers_audiences(
    changes: dict[str, Any], expected: OwnToken
) -> None:
    """As far as they can be shown; a legacy token names its issuer by a word that all clusters have."""
    assert expected == read_own_token(make_token(**changes))


@pytest.mark.parametrize(
    "token", ["", "opaque", "a.b.c", "e30.bnVsbA.AA", "e30." + "W" * 4000 + ".AA", "\ud800.e30.AA"]
)
def test_a_token_that_cannot_be_read_tells_nothing(token: str) -> None:
    """Nor is it an error."""
    assert OwnToken() == read_own_token(token)
