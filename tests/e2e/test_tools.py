"""The real parts: what they say of themselves, and one line for whoever cannot have them."""

import os
import re
import sys
from pathlib import Path

import pytest

from tests.commands import Done, attempt, run
from tests.e2e.tools.parts import ASSETS, ETCD_PIN, GO_PARTS, HERE, NAMES, SCHEMAS, GoPart

BUILD = (sys.executable, str(HERE / "build.py"))
VERSION_WORDS = {
    "nats-server": ("--version",),
    "nats": ("--version",),
    "helm": ("version", "--short"),
    "kube-apiserver": ("--version",),
    "kubectl": ("version", "--client"),
    **{f"schemas-{version}": ("--version",) for version in SCHEMAS},
}

CHART = "apiVersion: v2\nname: asking\nversion: 0.0.1\n"
OUTDATED = """
apiVersion: policy/v1beta1
kind: PodDisruptionBudget
metadata:
  name: from-{{ .Capabilities.KubeVersion.Version }}
"""
"""Of a kind that Kubernetes 1.21 has deprecated."""

FAKE_GO = """#!/bin/sh
if [ "$1" = env ]; then echo '{"GOVERSION": "go1.26"}'; exit; fi
while [ "$1" != -o ]; do shift; done
output=$2
"""


def _build(**variables: str) -> Done:
    return attempt(BUILD, env=variables)


def _executable(path: Path) -> None:
    path.touch(mode=0o755)


def test_every_part_is_in_one_folder(tools: Path) -> None:
    """Under its own name, so that the folder can go into PATH."""
    assert sorted(NAMES) == sorted(path.name for path in tools.iterdir())
    assert all(os.access(tools / name, os.X_OK) for name in NAMES)


def test_a_second_build_finds_all_done(tools: Path) -> None:
    """It says nothing but where they are."""
    again = _build(**os.environ)
    assert (0, f"{tools}\n", "") == (again.returncode, again.stdout, again.stderr)


@pytest.mark.skipif("KUBEBUILDER_ASSETS" in os.environ, reason="others than the pinned parts are used")
@pytest.mark.parametrize("part", GO_PARTS, ids=lambda part: part.name)
def test_a_part_bears_its_pinned_version(tools: Path, tmp_path: Path, part: GoPart) -> None:
    """As a released one does."""
    command = [str(tools / part.name), *VERSION_WORDS[part.name]]
    said = run(command, env={"HOME": str(tmp_path)})
    assert part.version().removeprefix("v") in said


@pytest.mark.skipif("KUBEBUILDER_ASSETS" in os.environ, reason="others than the pinned parts are used")
def test_helm_knows_the_kubernetes_of_its_client(tools: Path, tmp_path: Path) -> None:
    """As a released one does: without a cluster it renders for that version, and lints by what that has deprecated."""
    [part] = (part for part in GO_PARTS if part.name == "helm")
    (tmp_path / "chart/templates").mkdir(parents=True)
    (tmp_path / "chart/Chart.yaml").write_text(CHART)
    (tmp_path / "chart/templates/outdated.yaml").write_text(OUTDATED)
    said = {}
    for command in ("template", "lint"):
        words = [str(tools / "helm"), command, str(tmp_path / "chart")]
        said[command] = run(words, env={"HOME": str(tmp_path)})
    assert f"name: from-v1.{part.kubernetes_minor()}.0\n" in said["template"]
    assert "policy/v1beta1 PodDisruptionBudget is deprecated" in said["lint"]


def test_who_has_no_client_for_kubernetes_is_not_told_of_it(tmp_path: Path) -> None:
    """And whoever has one is told its minor version."""
    (tmp_path / "go.mod").write_text("require (\n\texample.com/m v1.2.3\n)\n")
    part = GoPart("tool", tmp_path, ".", "example.com/m", "-X v={version}")
    assert "-s -w -X v=v1.2.3" == part.linker_flags()
    told = part._replace(version_flags="-X v={number} -X k={kubernetes_minor}")
    with pytest.raises(AssertionError, match=r"go\.mod does not pin k8s\.io/client-go$"):
        told.linker_flags()
    (tmp_path / "go.mod").write_text("require (\n\texample.com/m v1.2.3\n\tk8s.io/client-go v0.34.1 // indirect\n)\n")
    assert "-s -w -X v=1.2.3 -X k=34" == told.linker_flags()


@pytest.mark.parametrize("version", SCHEMAS)
def test_a_folder_of_schemas_is_of_the_kubernetes_that_it_is_named_after(version: str) -> None:
    """Its modules' v0.x.y are Kubernetes' v1.x.y, both of one release; and the program is the same for all."""
    folder = HERE / "schemas" / version
    parts = [GoPart("a", folder, ".", f"k8s.io/{name}") for name in ("api", "apimachinery")]
    assert 1 == len({part.version() for part in parts})
    assert version.partition(".")[2] == parts[0].version().split(".")[1]
    assert (HERE / "schemas/main.go").read_text() == parts[0].read("main.go")


def test_a_digest_changes_with_what_made_the_part(tmp_path: Path) -> None:
    """The pins, the package, what the linker is told, the toolchain."""
    for name, text in (("go.mod", "require example.com/m v1.2.3\n"), ("go.sum", ""), ("main.go", "package main")):
        (tmp_path / name).write_text(text)
    part = GoPart("tool", tmp_path, ".", "example.com/m", "-X main.version={version}")
    digests = [part.digest("go1.26 linux"), part.digest("go1.27 linux")]
    digests += [one.digest("go1.26 linux") for one in (part._replace(package="./x"), part._replace(version_flags=""))]
    (tmp_path / "main.go").write_text("package main // changed")
    digests.append(part.digest("go1.26 linux"))
    (tmp_path / "go.mod").write_text("require example.com/m v1.2.4\n")
    digests.append(part.digest("go1.26 linux"))
    assert 6 == len(set(digests))


def test_without_go_one_line_says_what_to_do(tools: Path, tmp_path: Path) -> None:
    """Install it, or name a folder that has the parts."""
    (tmp_path / "bin").mkdir()
    for name in ASSETS:
        (tmp_path / "bin" / name).symlink_to(tools / name)
    done = _build(HOME=str(tmp_path), PATH=str(tmp_path), KUBEBUILDER_ASSETS=str(tmp_path / "bin"))
    assert (2, "") == (done.returncode, done.stdout)
    assert re.fullmatch(
        r"e2e tools: Go is needed to build nats: install it .*, or set KUBEBUILDER_ASSETS .*\n", done.stderr
    )


def test_an_assets_folder_without_a_part_is_named(tmp_path: Path) -> None:
    """Whoever sets KUBEBUILDER_ASSETS does not want a build of many minutes instead."""
    _executable(tmp_path / "etcd")
    done = _build(HOME=str(tmp_path), KUBEBUILDER_ASSETS=str(tmp_path))
    assert (2, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
    assert f"KUBEBUILDER_ASSETS is {tmp_path}, which has no kube-apiserver, no kubectl: " in done.stderr


def test_parts_that_are_given_are_not_built(tmp_path: Path) -> None:
    """With all of them given, neither Go nor a network is needed."""
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in NAMES:
        _executable(assets / name)
    done = _build(HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "cache"), KUBEBUILDER_ASSETS=str(assets))
    assert (0, "") == (done.returncode, done.stderr)
    folder = Path(done.stdout.rstrip("\n"))
    assert folder.is_relative_to(tmp_path / "cache/nats-k8s-oidc-callout/bin")
    assert {name: assets / name for name in NAMES} == {path.name: path.readlink() for path in folder.iterdir()}


def test_what_was_half_built_is_not_used(tmp_path: Path) -> None:
    """A failed build is one line with the compiler's last words; the next one starts anew."""
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in set(NAMES) - {"nats"}:
        _executable(assets / name)
    go, cache = tmp_path / "go", tmp_path / "cache"
    variables = {"PATH": f"{tmp_path}:{os.defpath}", "XDG_CACHE_HOME": str(cache), "KUBEBUILDER_ASSETS": str(assets)}
    go.touch(mode=0o755)
    go.write_text(FAKE_GO + "echo half > $output; echo 'out of paper'; echo; exit 1")
    failed = _build(**variables)
    assert (2, "") == (failed.returncode, failed.stdout)
    assert (
        f"nats {GO_PARTS[0].version()} could not be built: out of paper (all of it: " in failed.stderr.splitlines()[-1]
    )
    assert [] == [path for path in cache.glob("*/bin/nats-*") if path.suffix != ".log"]
    go.write_text(FAKE_GO + "echo whole > $output")
    assert "whole\n" == (Path(_build(**variables).stdout.rstrip("\n")) / "nats").read_text()


def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """One line, and the way out."""
    (tmp_path / "file").touch()
    done = _build(HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "file"))
    assert (2, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
    assert "XDG_CACHE_HOME" in done.stderr


@pytest.mark.parametrize(
    "pin", [ETCD_PIN, *sorted(HERE.rglob("go.*"))], ids=lambda path: f"{path.parent.name}-{path.name}"
)
def test_a_pin_names_no_registry(pin: Path) -> None:
    """Where things are downloaded from is the matter of whoever builds."""
    assert [] == re.findall(r"https?://|--index-url|--find-links", pin.read_text())
