"""Tests of `callout.kube.errors`."""

import pytest

from callout.kube.errors import (
    DISCOVERY,
    ForbiddenError,
    NotFoundError,
    StatusError,
    UnauthorizedError,
    purpose_of,
    refuse,
)

API = "https://api.test"


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, UnauthorizedError, "does not accept our credentials"),
        (403, ForbiddenError, 'resources: ["serviceaccounts"], verbs: ["get", "list", "watch"]'),
        (404, StatusError, "https://api.test answers that there is no such page (404): see that this is the address"),
        (302, StatusError, "https://api.test redirects (302): set the address it leads to"),
        (410, StatusError, "status 410"),
        (503, StatusError, "status 503"),
        (204, StatusError, "status 204"),
    ],
)
def test_a_refusal_says_what_to_do(status: int, kind: type[StatusError], words: str) -> None:
    """Each status that an operator can do something about has a line of its own, which names what was attempted."""
    error = refuse(status, purpose_of("list", ""), API)
    assert (kind, status) == (type(error), error.status)
    assert words in str(error)
    assert "list serviceaccounts in all namespaces" in str(error)
    assert "\n" not in str(error)


def test_only_the_api_server_can_say_that_there_is_no_such_thing() -> None:
    """It says so in a form of its own; any HTTP server has a page that there is not."""
    purpose = purpose_of("get", "orders")
    assert NotFoundError is type(refuse(404, purpose, API, is_known=True))
    assert StatusError is type(refuse(404, purpose, API))


def test_forbidden_in_one_namespace_asks_for_a_role_there() -> None:
    """One namespace needs a Role, all of them a ClusterRole."""
    assert "namespace orders (403): bind a Role " in str(refuse(403, purpose_of("watch", "orders"), API))
    assert "in all namespaces (403): bind a ClusterRole " in str(refuse(403, purpose_of("watch", ""), API))


def test_a_forbidden_key_set_names_the_role_that_kubernetes_has_for_it() -> None:
    """The discovery role exists in every cluster and is bound to nobody."""
    assert "system:service-account-issuer-discovery" in str(refuse(403, DISCOVERY, API))
