"""Tests of `callout.kube.access`: how the API server is found, and what is said when it is not."""

import base64
import json
import logging
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import Configuration
from kubernetes.config import ConfigException, load_kube_config

from callout.kube.access import Access, load_in_cluster, load_kubeconfig
from callout.kube.errors import ConfigurationError
from tests.authority import Authority
from tests.fake_kube_api import FakeKubeApi
from tests.kubeconfigs import write_kubeconfig

SECRET = "hunter2.is-a.secret"
POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def authorization(access: Access) -> str | None:
    """The header that goes to the API server."""
    return access.authorization.reveal() if access.authorization else None


def write(path: Path, *, cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None) -> Path:
    """Write a kubeconfig, with these members of its cluster and its user."""
    return write_kubeconfig(path, {"server": "https://api.example:6443/"} | (cluster or {}), user or {})


def write_plugin(path: Path, script: str) -> dict[str, Any]:
    """Write an exec plugin and return how a kubeconfig's user names it."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(stat.S_IRWXU)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(path), "args": []}}


def refusal(paths: Path | str) -> str:
    """The line that says why a kubeconfig cannot be used."""
    with pytest.raises(ConfigurationError) as caught:
        load_kubeconfig(str(paths))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_in_a_pod_the_mounted_serviceaccount_is_used(tmp_path: Path) -> None:
    """Address from the environment, token and CA from the files, which are watched."""
    (tmp_path / "token").write_text(SECRET + "\n")
    (tmp_path / "ca.crt").write_text("CA")
    access = load_in_cluster(POD, tmp_path)
    assert ("https://10.96.0.1:443", tmp_path / "ca.crt") == (access.url, access.ca_file)
    assert f"bearer {SECRET}" == authorization(access)
    assert (tmp_path / "token", tmp_path / "ca.crt") == access.files


def test_an_ipv6_address_is_put_in_brackets(tmp_path: Path) -> None:
    """As in any URL."""
    (tmp_path / "token").write_text(SECRET)
    (tmp_path / "ca.crt").write_text("CA")
    assert "https://[fd00::1]:443" == load_in_cluster(POD | {"KUBERNETES_SERVICE_HOST": "fd00::1"}, tmp_path).url


@pytest.mark.parametrize(
    ("environ", "token"),
    [({}, SECRET), ({"KUBERNETES_SERVICE_HOST": ""}, SECRET), (POD, None), (POD, ""), (POD, b"\xff"), (POD, "a b")],
)
def test_outside_of_a_pod_it_says_so(tmp_path: Path, environ: dict[str, str], token: str | bytes | None) -> None:
    """A missing address or token is told in one line, without the token."""
    (tmp_path / "ca.crt").write_text("CA")
    if token is not None:
        (tmp_path / "token").write_bytes(token if isinstance(token, bytes) else token.encode())
    with pytest.raises(ConfigurationError, match=r"^[^\n]*(in-cluster configuration|token)[^\n]*$") as caught:
        load_in_cluster(environ, tmp_path)
    assert SECRET not in str(caught.value)


def test_credentials_do_not_show_when_printed(tmp_path: Path) -> None:
    """What is logged or raised with an Access in it holds no token."""
    access = load_kubeconfig(str(write(tmp_path / "config", user={"token": SECRET})))
    assert SECRET not in repr(access)


def test_a_kubeconfig_gives_address_and_token(tmp_path: Path) -> None:
    """The address loses the slash at its end."""
    path = write(tmp_path / "config", user={"token": SECRET})
    access = load_kubeconfig(str(path))
    assert ("https://api.example:6443", f"Bearer {SECRET}") == (access.url, authorization(access))
    assert (None, (path,)) == (access.ca_file, access.files)


def test_a_kubeconfig_gives_a_token_file(tmp_path: Path) -> None:
    """`tokenFile` is read when the kubeconfig is."""
    (tmp_path / "token").write_text(SECRET)
    path = write(tmp_path / "config", user={"tokenFile": "token"})
    assert f"Bearer {SECRET}" == authorization(load_kubeconfig(str(path)))


def test_a_kubeconfig_gives_certificates(tmp_path: Path) -> None:
    """Files are taken relative to the kubeconfig, data as they stand; all of them are watched."""
    authority = Authority(tmp_path)
    cluster = {"certificate-authority": authority.ca_file.name}
    user = {
        "client-certificate": authority.chain_file.name,
        "client-key-data": base64.b64encode(authority.chain_file.read_bytes()).decode(),
    }
    access = load_kubeconfig(str(write(tmp_path / "config", cluster=cluster, user=user)))
    assert (authority.ca_file, None) == (access.ca_file, authorization(access))
    assert (tmp_path / "config", authority.ca_file, authority.chain_file) == access.files[:3]
    assert authority.chain_file.read_bytes() == access.files[3].read_bytes()


def test_a_kubeconfig_gives_what_a_plugin_gives(tmp_path: Path) -> None:
    """Exec plugins are run, as kubectl runs them."""
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": SECRET},
    }
    user = write_plugin(tmp_path / "plugin", f"echo '{json.dumps(credential)}'")
    assert f"Bearer {SECRET}" == authorization(load_kubeconfig(str(write(tmp_path / "config", user=user))))


def test_a_failed_plugin_is_reported_without_its_words(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What it wrote is neither in the message nor on our standard error, and logging is as it was before."""
    user = write_plugin(tmp_path / "plugin", f"echo {SECRET} >&2; exit 1")
    handlers = list(logging.root.handlers)
    message = refusal(write(tmp_path / "config", user=user))
    assert "the exec plugin of the kubeconfig" in message
    assert SECRET not in message + "".join(capfd.readouterr())
    assert handlers == logging.root.handlers
    assert [] == logging.root.filters


def test_a_plugin_is_heard_while_another_one_hangs(tmp_path: Path) -> None:
    """Each load listens to its own plugin alone, so that one which is left behind hides no failure."""
    os.mkfifo(tmp_path / "pipe")
    hanging = write(tmp_path / "hanging", user=write_plugin(tmp_path / "a", f"cat {tmp_path / 'pipe'} >&2; exit 1"))
    failing = write(tmp_path / "failing", user=write_plugin(tmp_path / "b", "exit 1"))
    first: list[str] = []
    thread = threading.Thread(target=lambda: first.append(refusal(hanging)))
    thread.start()
    with (tmp_path / "pipe").open("w"):  # waits for the plugin that hangs
        second = refusal(failing)
    thread.join()
    assert [f"the exec plugin of the kubeconfig {path} gave" for path in (hanging, failing)] == [
        message.partition(" no credentials")[0] for message in (*first, second)
    ]


def test_several_kubeconfigs_are_joined(tmp_path: Path) -> None:
    """KUBECONFIG may be a list; those that do not exist are skipped."""
    path = write(tmp_path / "config", user={"token": SECRET})
    other = tmp_path / "other"
    other.write_text('{"clusters":[],"users":[],"contexts":[]}')
    access = load_kubeconfig(f"{tmp_path / 'missing'}:{path}:{other}")
    assert "https://api.example:6443" == access.url
    assert {path, other} < set(access.files)


def test_without_a_kubeconfig_it_says_what_to_set(tmp_path: Path) -> None:
    """The line names both ways out."""
    message = refusal(tmp_path / "missing")
    assert f"there is no kubeconfig at {tmp_path / 'missing'}" in message
    assert "KUBECONFIG" in message
    assert "K8S_IN_CLUSTER=true" in message


def test_a_home_that_is_not_there_is_told() -> None:
    """In a container a user may be a mere number, and `~` stands for nothing then."""
    assert "this user has no home folder" in refusal("~no-such-user/config")


@pytest.mark.parametrize(
    "content",
    [
        f"- token: {SECRET}",
        f"users: [{{name: u, user: {{token: {SECRET}",
        f'{{"users": "{SECRET}"}}',
        f'{{"current-context": "x", "contexts": [{{"token": "{SECRET}"}}]}}',
        "",
        "\x00",
        "[" * 5000,
    ],
)
def test_a_broken_kubeconfig_is_reported_without_its_content(tmp_path: Path, content: str) -> None:
    """Whatever is wrong with it, the line says which file it is and what to try, and quotes nothing."""
    path = tmp_path / "config"
    path.write_text(content)
    message = refusal(path)
    assert f"the kubeconfig {path} is" in message
    assert SECRET not in message


def test_the_official_clients_error_is_not_shown(tmp_path: Path) -> None:
    """It quotes the whole entry of the user when a key is missing there; our line does not."""
    path = write(tmp_path / "config", user={"auth-provider": {"name": "oidc", "config": {"x": SECRET}}})
    with pytest.raises(ConfigException, match=SECRET):
        load_kube_config(str(path), client_configuration=Configuration())  # type: ignore[no-untyped-call]
    assert SECRET not in refusal(path)


def test_a_kubeconfig_that_names_a_missing_file_says_so(tmp_path: Path) -> None:
    """A CA that is not there is a fault of the kubeconfig."""
    message = refusal(write(tmp_path / "config", cluster={"certificate-authority": "missing"}))
    assert "is incomplete or malformed" in message


def test_a_kubeconfig_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    """A folder is no file."""
    assert "is a directory" in refusal(tmp_path)


@pytest.mark.parametrize("server", ["http://api.example", "https://user:pw@api.example", "api.example"])
def test_an_address_without_tls_is_refused(tmp_path: Path, server: str) -> None:
    """Our token goes over TLS, or not at all."""
    assert "the API server's address" in refusal(write(tmp_path / "config", cluster={"server": server}))


def test_unverified_tls_is_refused(tmp_path: Path) -> None:
    """Who can pose as the API server could let anybody in."""
    cluster = {"insecure-skip-tls-verify": True}
    assert "insecure-skip-tls-verify" in refusal(write(tmp_path / "config", cluster=cluster))


def test_the_kubeconfig_of_the_pretend_server_works(tmp_path: Path) -> None:
    """Plain HTTP is taken for loopback, and the pool reaches the server."""
    with FakeKubeApi() as api:
        access = load_kubeconfig(str(api.write_kubeconfig(tmp_path / "config", token=SECRET)))
        url = f"{access.url}/api/v1/serviceaccounts"
        with access.pool.open(url, head_seconds=20, silence_seconds=20) as response:
            assert 200 == response.status
