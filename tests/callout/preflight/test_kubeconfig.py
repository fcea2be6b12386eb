"""The kubeconfig is looked at before it is used, and nothing is run or asked."""

from pathlib import Path

import msgspec
import pytest

from callout.preflight.kubeconfig import check_kubeconfig, maybe_list
from tests.callout.preflight.samples import make_settings, write

CONFIG = """
clusters: [{{name: c, cluster: {{server: "https://api.example:6443"}}}}]
users: [{{name: u, user: {user}}}]
contexts: [{{name: x, context: {{cluster: c, user: u}}}}]
current-context: x
"""
TOKEN = "s3cr3t"


def test_a_good_one_says_where_the_api_server_is(tmp_path: Path) -> None:
    """One file of a list is enough, as for kubectl."""
    there = write(tmp_path / "config", CONFIG.format(user=f"{{token: {TOKEN}}}"))
    assert "the API server is https://api.example:6443" == check_kubeconfig(f"{tmp_path / 'missing'}:{there}")


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As kubectl and the official client take it; the default has one, too."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".kube").mkdir()
    write(tmp_path / ".kube" / "config", CONFIG.format(user="{}"))
    assert check_kubeconfig(None) == check_kubeconfig("~/.kube/config") == check_kubeconfig("/nowhere:~/.kube/config")


@pytest.mark.parametrize("key", ["exec: {{command: {program}}}", '"auth-provider" : {{config: {program}}}'])
def test_a_plugin_is_not_run(tmp_path: Path, key: str) -> None:
    """It might hang, ask, or talk to the network."""
    mark = tmp_path / "mark"
    program = write(tmp_path / "plugin", f"#!/bin/sh\ntouch {mark}\n", 0o700)
    config = write(tmp_path / "config", CONFIG.format(user="{" + key.format(program=program) + "}"))
    assert "its plugin is run at the start of the service, and not now" == check_kubeconfig(str(config))
    assert not mark.exists()


def test_one_that_is_not_there_says_when_it_is_needed(tmp_path: Path) -> None:
    """The line names the ways out."""
    with pytest.raises(
        ValueError, match=r"needed with K8S_IN_CLUSTER=false, unless SERVICEACCOUNTS_PATH is set$"
    ) as caught:
        check_kubeconfig(str(tmp_path / "none"))
    assert str(caught.value).startswith(f"KUBECONFIG: {tmp_path / 'none'} cannot be read: no such file or directory; ")


def test_a_list_without_files_names_none() -> None:
    """Nothing but colons."""
    with pytest.raises(ValueError, match=r"^KUBECONFIG: :: cannot be read: it is empty; "):
        check_kubeconfig("::")


@pytest.mark.parametrize("content", ["", "a: b: c", "{}", CONFIG.format(user="{}").replace("name: c,", "name: d,")])
def test_one_that_cannot_be_used_is_a_line(tmp_path: Path, content: str) -> None:
    """It names the setting, and shows no token."""
    path = write(tmp_path / "config", f"{content}\n# {TOKEN}\n")
    with pytest.raises(ValueError, match=rf"^KUBECONFIG: the kubeconfig {path} is [^\n]*$") as caught:
        check_kubeconfig(str(path))
    assert TOKEN not in str(caught.value)


def test_the_files_are_listed_if_they_are_used(tmp_path: Path) -> None:
    """In a pod, or with ServiceAccounts from files, there are none."""
    outside = msgspec.structs.replace(make_settings(tmp_path), k8s_in_cluster=False, kubeconfig="/a::/b")
    assert [Path("/a"), Path("/b")] == maybe_list(outside)
    assert [] == maybe_list(msgspec.structs.replace(outside, k8s_in_cluster=True))
    assert [] == maybe_list(msgspec.structs.replace(outside, serviceaccounts_path=tmp_path))
