"""Tests of `callout.kube.client`, against a server that keeps to no rule."""

import os
import re
import signal
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from callout.fetch_errors import TooMuchError
from callout.kube.client import (
    MAX_HANGING_LOADS,
    MAX_STATUS_BYTES,
    RELOAD_SECONDS,
    KubeClient,
    read_body,
    serviceaccounts_url,
)
from callout.kube.errors import (
    DISCOVERY,
    ConfigurationError,
    ForbiddenError,
    KubeError,
    NoAnswerError,
    NotFoundError,
    StatusError,
    UnauthorizedError,
)
from callout.serviceaccounts import ServiceAccount
from tests.authority import Authority
from tests.callout.doctor.site import Site
from tests.callout.kube.asking import LIST, ask, last_token
from tests.fake_kube_api import Body, Cut, Drip, Endless, FakeKubeApi, Fault, Stall, Status
from tests.http_serving import serving
from tests.kubeconfigs import write_kubeconfig

PREFIX = "nats.io/"


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The clock of the clients."""
    return Clock()


@pytest.fixture
def connect(tmp_path: Path, clock: Clock) -> Callable[..., KubeClient]:
    """Make a client with a kubeconfig for a server; more arguments are members of the kubeconfig's user."""

    def make(api: FakeKubeApi, authority: Authority | None = None, **user: object) -> KubeClient:
        path = api.write_kubeconfig(tmp_path / "config", authority, **user)
        return KubeClient(in_cluster=False, kubeconfig=str(path), clock=clock)

    return make


Connect = Callable[..., KubeClient]


def test_a_request_carries_the_credentials(api: FakeKubeApi, connect: Connect) -> None:
    """And says who asks, and for what form of answer."""
    ask(connect(api, token="t"))
    assert "Bearer t" == last_token(api)
    assert "nats-k8s-oidc-callout" == api.requests[0].headers["user-agent"]
    assert "application/json, application/jwk-set+json" == api.requests[0].headers["accept"]


def test_without_credentials_none_are_sent(api: FakeKubeApi, connect: Connect) -> None:
    """Behind kubectl proxy, or with a client certificate, no header is needed."""
    ask(connect(api))
    assert last_token(api) is None


def test_a_serviceaccount_is_read(api: FakeKubeApi, connect: Connect) -> None:
    """One that exists as it is now, another one as None."""
    with api.cluster() as cluster:
        uid = cluster.put("ns", "a.b", {"nats.io/x": "1", "other": "2"})
    client = connect(api)
    assert ServiceAccount("ns", "a.b", uid, {"nats.io/x": "1"}) == client.get_serviceaccount("ns", "a.b", PREFIX)
    assert client.get_serviceaccount("ns", "missing", PREFIX) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"404 page not found",
        b"<html></html>",
        b"[]",
        b"[" * 100_000,
        b'{"kind":"Status"}',
        b'{"kind":"Status","apiVersion":"v1","message":"' + b"x" * MAX_STATUS_BYTES + b'"}',
    ],
    ids=["nothing", "text", "page", "list", "deep", "version", "large"],
)
def test_another_server_does_not_know_which_serviceaccounts_there_are(tmp_path: Path, body: bytes) -> None:
    """Its 404 is told with its address, and is no word on a ServiceAccount."""
    site = Site()
    site.status, site.body = 404, body
    address = site.url.removesuffix("/metrics")
    client = KubeClient(
        in_cluster=False, kubeconfig=str(write_kubeconfig(tmp_path / "config", {"server": address}, {}))
    )
    with serving(site.server), pytest.raises(StatusError, match=re.escape(address)) as caught:
        client.get_serviceaccount("ns", "a", PREFIX)
    assert StatusError is type(caught.value)


@pytest.mark.parametrize(("namespace", "name"), [("ns", "../../secrets/x"), ("a/b", "c"), ("", "a"), ("ns", "a?x")])
def test_a_name_cannot_change_the_path(api: FakeKubeApi, connect: Connect, namespace: str, name: str) -> None:
    """What is no name of a ServiceAccount is not asked for."""
    assert connect(api).get_serviceaccount(namespace, name, PREFIX) is None
    assert [] == api.requests


@pytest.mark.parametrize("fault", [Body(b"garbage"), Body(b'{"metadata":{}}')])
def test_an_answer_that_is_no_serviceaccount_is_none(api: FakeKubeApi, connect: Connect, fault: Fault) -> None:
    """It is not there in any form that could be believed."""
    with api.cluster() as cluster:
        cluster.put("ns", "a")
    api.fail("get", fault)
    assert connect(api).get_serviceaccount("ns", "a", PREFIX) is None


@pytest.mark.parametrize(
    ("status", "kind"), [(401, UnauthorizedError), (403, ForbiddenError), (404, NotFoundError), (500, StatusError)]
)
def test_a_refusal_becomes_an_error(api: FakeKubeApi, connect: Connect, status: int, kind: type[StatusError]) -> None:
    """With its status."""
    api.fail("list", Status(status))
    with pytest.raises(kind) as caught:
        ask(connect(api))
    assert status == caught.value.status


def test_a_redirect_is_not_followed(api: FakeKubeApi, connect: Connect) -> None:
    """Our token stays with the server it is for."""
    with FakeKubeApi() as elsewhere:
        api.fail("list", Status(302, elsewhere.url + "/api/v1/serviceaccounts"))
        with pytest.raises(StatusError, match="redirects"):
            ask(connect(api, token="t"))
        assert [] == elsewhere.requests


def test_a_request_is_sent_once(api: FakeKubeApi, connect: Connect) -> None:
    """Trying again is for the caller, who knows when."""
    api.fail("list", Status(503), Cut())
    client = connect(api)
    for _ in range(2):
        with pytest.raises(KubeError):
            ask(client)
    assert 2 == api.count("list")


def test_nothing_is_sent_to_another_origin(api: FakeKubeApi, connect: Connect) -> None:
    """Not even when asked to."""
    with FakeKubeApi() as elsewhere:
        with pytest.raises(ConfigurationError, match="no credentials are sent there"):
            connect(api, token="t").open(elsewhere.url + "/openid/v1/jwks", DISCOVERY)
        assert [] == elsewhere.requests


def test_a_refused_connection_is_explained(api: FakeKubeApi, connect: Connect) -> None:
    """The server is not there."""
    client = connect(api)
    api.close()
    with pytest.raises(NoAnswerError, match="connection refused"):
        ask(client)


def test_a_stalled_answer_is_given_up(api: FakeKubeApi, connect: Connect) -> None:
    """Silence is waited for no longer than was said."""
    api.fail("list", Stall(head=False))
    client = connect(api)
    with pytest.raises(NoAnswerError, match="stopped sending"):
        client.open(serviceaccounts_url(client.api_server_url, ""), LIST, silence_seconds=0.2)


def test_a_head_that_drips_is_given_up(api: FakeKubeApi, connect: Connect) -> None:
    """It is waited for as a whole, not byte by byte."""
    api.fail("list", Drip(head=False))
    client = connect(api)
    with pytest.raises(NoAnswerError, match=r"took more than 0\.2 s"):
        client.open(serviceaccounts_url(client.api_server_url, ""), LIST, head_seconds=0.2)


@pytest.mark.parametrize("fault", [Drip(), Drip(head=False)])
def test_a_whole_answer_has_its_time_and_no_more(api: FakeKubeApi, connect: Connect, fault: Fault) -> None:
    """Head and body together."""
    api.fail("list", fault)
    client = connect(api)
    with pytest.raises(NoAnswerError, match="took more than"):
        client.read(serviceaccounts_url(client.api_server_url, ""), LIST, 1000, seconds=0.2)


def test_a_body_that_breaks_off_is_explained(api: FakeKubeApi, connect: Connect) -> None:
    """Half an answer is none."""
    api.fail("list", Cut())
    with pytest.raises(NoAnswerError, match="broke"):
        ask(connect(api))


def test_an_endless_body_is_given_up(api: FakeKubeApi, connect: Connect) -> None:
    """A list has the caller's limit, a ServiceAccount one of its own."""
    with api.cluster() as cluster:
        cluster.put("ns", "a")
    api.fail("list", Endless())
    api.fail("get", Endless())
    client = connect(api)
    with pytest.raises(TooMuchError):
        ask(client)
    with pytest.raises(NoAnswerError, match="larger than any ServiceAccount"):
        client.get_serviceaccount("ns", "a", PREFIX)


def test_a_token_with_a_line_break_is_refused_unseen(api: FakeKubeApi, connect: Connect) -> None:
    """The HTTP library would quote it."""
    with pytest.raises(ConfigurationError, match="one word") as caught:
        ask(connect(api, token="hunter2\nx: y"))
    assert "hunter2" not in str(caught.value)


def test_a_changed_kubeconfig_takes_effect(api: FakeKubeApi, connect: Connect) -> None:
    """With the next request."""
    client = connect(api, token="old")
    ask(client)
    connect(api, token="new one")  # a space: no header
    with pytest.raises(ConfigurationError):
        ask(client)
    connect(api, token="newer")
    ask(client)
    assert "Bearer newer" == last_token(api)


def test_a_changed_token_file_takes_effect_within_a_minute(
    api: FakeKubeApi, connect: Connect, clock: Clock, tmp_path: Path
) -> None:
    """The official client does not say where it is, so it is read again now and then."""
    (tmp_path / "token").write_text("old")
    client = connect(api, tokenFile="token")
    ask(client)
    (tmp_path / "token").write_text("new")
    ask(client)
    assert "Bearer old" == last_token(api)
    clock.now += RELOAD_SECONDS
    ask(client)
    assert "Bearer new" == last_token(api)


def test_refused_credentials_are_read_again(api: FakeKubeApi, connect: Connect, tmp_path: Path) -> None:
    """After a 401 the next request comes with what there is by then."""
    (tmp_path / "token").write_text("old")
    client = connect(api, tokenFile="token")
    ask(client)
    api.token = "new"
    (tmp_path / "token").write_text("new")
    with pytest.raises(UnauthorizedError):
        ask(client)
    ask(client)
    assert "Bearer new" == last_token(api)


def test_nothing_is_read_again_without_a_reason(api: FakeKubeApi, connect: Connect) -> None:
    """Connections are kept: a list of 200 pages shakes hands once."""
    client = connect(api)
    ask(client)
    pool = client._current().pool
    ask(client)
    assert pool is client._current().pool


def test_outside_of_a_cluster_its_names_mean_nothing(api: FakeKubeApi, connect: Connect) -> None:
    """There, whoever answers DNS could pose as kubernetes.default.svc."""
    assert not connect(api).owns("https://kubernetes.default.svc/openid/v1/jwks")


def test_the_default_kubeconfig_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for kubectl, `~/.kube/config`."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"no kubeconfig at ~/\.kube/config"):
        _ = KubeClient(in_cluster=False).api_server_url


def test_a_plugin_that_hangs_is_not_waited_for(api: FakeKubeApi, tmp_path: Path) -> None:
    """Nor does it keep a later request from being answered, once there are credentials again."""
    plugin = tmp_path / "plugin"
    plugin.write_text("#!/bin/sh\necho $$ >> $0.pids\nexec sleep 600\n")
    plugin.chmod(stat.S_IRWXU)
    entry = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}
    path = api.write_kubeconfig(tmp_path / "config", exec=entry)
    client = KubeClient(in_cluster=False, kubeconfig=str(path), load_seconds=0.5)
    try:
        for _ in range(MAX_HANGING_LOADS + 2):
            with pytest.raises(ConfigurationError, match=r"gave no credentials within 0\.5 s.* exec plugin hangs"):
                ask(client)
    finally:
        begun = (tmp_path / "plugin.pids").read_text().split()
        for process in begun:
            os.kill(int(process), signal.SIGKILL)
    assert MAX_HANGING_LOADS == len(begun)
    for thread in threading.enumerate():
        if thread.name == "kubeconfig":
            thread.join(20)
    api.write_kubeconfig(path, token="t")
    ask(client)
    assert "Bearer t" == last_token(api)


def test_a_namespace_has_an_address_of_its_own() -> None:
    """One namespace, or all of them."""
    assert "b/api/v1/serviceaccounts" == serviceaccounts_url("b", "")
    assert "b/api/v1/namespaces/ns/serviceaccounts" == serviceaccounts_url("b", "ns")


def test_a_body_may_take_a_time_and_no_longer(api: FakeKubeApi, connect: Connect) -> None:
    """A byte now and then does not keep us."""
    api.fail("list", Drip())
    client = connect(api)
    response = client.open(serviceaccounts_url(client.api_server_url, ""), LIST)
    with pytest.raises(NoAnswerError, match=r"took more than 0\.1 s"):
        read_body(response, 1000, 0.1)
