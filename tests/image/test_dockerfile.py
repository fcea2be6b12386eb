"""What the Dockerfile promises, read off its steps; and the reader of the steps."""

import re
import sys
import tomllib
from typing import Any

import pytest
import yaml

from callout.config.table import TABLE
from tests.image.dockerfile import Stage, Step, expand, read_stages
from tests.image.stand_in import is_let_in
from tests.pages import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
STAGES = read_stages(DOCKERFILE)
FINAL = STAGES[-1]


def project() -> dict[str, Any]:
    """The project's own record."""
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found


def test_steps_are_read() -> None:
    """Continued lines are one step, comments none; a stage knows its name and its base."""
    text = '# what\nARG BASE=python:3\n\nFROM ${BASE} AS build\nRUN a \\\n && b\n# why\nFROM debian\nCMD ["a b"]\n'
    expected = [Stage("build", "python:3", (Step("RUN", "a && b"),)), Stage("", "debian", (Step("CMD", '["a b"]'),))]
    assert expected == read_stages(text)
    assert ["a b"] == expected[1].find_one("CMD").array()


@pytest.mark.parametrize("line", ["HEALTHCHECK NONE", "ADD a b", "RUN --mount=type=cache a", "COPY --chown=1 a b"])
def test_what_is_not_known_is_an_error(line: str) -> None:
    """So that no step is overlooked."""
    with pytest.raises(ValueError, match="not known here"):
        read_stages(f"FROM debian\n{line}\n")


def test_a_step_before_any_stage_is_an_error() -> None:
    """Only ARG may stand there."""
    with pytest.raises(ValueError, match="before the first FROM"):
        read_stages("RUN a\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("COPY a b ./", ("", ["a", "b"], "./")),
        ("COPY --from=build /opt/a /opt/b", ("build", ["/opt/a"], "/opt/b")),
    ],
)
def test_what_is_copied(text: str, expected: tuple[str, list[str], str]) -> None:
    """From the context, or from a stage."""
    [stage] = read_stages(f"FROM debian\n{text}\n")
    assert expected == stage.find_one("COPY").copies()


def test_variables() -> None:
    """With braces and without; one that is not set is empty."""
    assert "1 2 " == expand("${A} $B $C", {"A": "1", "B": "2"})
    assert {"A": "1", "B": "two words", "C": ""} == Step("ENV", 'A=1 B="two words" C').pairs()


def test_all_stages_stand_on_one_base_pinned_by_its_version() -> None:
    """A slim one of the line of Python that the tests run on, to the last number."""
    [base] = {stage.base for stage in STAGES}
    line = ".".join(map(str, sys.version_info[:2]))
    assert re.fullmatch(rf"python:{re.escape(line)}\.\d+-slim-[a-z]+", base), base


def test_it_runs_as_nobody_in_particular() -> None:
    """By number, which Kubernetes needs to see that it is not root, and which the chart names too."""
    values = yaml.safe_load((ROOT / "k8s/chart/values.yaml").read_text())["podSecurityContext"]
    assert f"{values['runAsUser']}:{values['runAsGroup']}" == FINAL.find_one("USER").text == "65532:65532"


def test_what_runs_and_what_ends_it() -> None:
    """The image alone is the service; with words behind it, any other command of it."""
    assert ["callout"] == FINAL.find_one("ENTRYPOINT").array()
    assert ["serve"] == FINAL.find_one("CMD").array()
    assert "SIGTERM" == FINAL.find_one("STOPSIGNAL").text


def test_the_port_is_the_settings_default() -> None:
    """And that is where the chart's probes look."""
    [port] = [setting.default for setting in TABLE if setting.name == "PORT"]
    assert port == FINAL.find_one("EXPOSE").text


def test_modules_come_from_the_installation_alone() -> None:
    """Not from the folder that a process stands in."""
    variables = {name: value for step in FINAL.find("ENV") for name, value in step.pairs().items()}
    assert "1" == variables["PYTHONSAFEPATH"]


def test_the_labels_say_what_the_project_says() -> None:
    """Name, version, licence, by the names of the OCI's image specification (annotations.md)."""
    arguments = {name: value for step in FINAL.find("ARG") for name, value in step.pairs().items()}
    labels = {name: expand(value, arguments) for name, value in FINAL.find_one("LABEL").pairs().items()}
    said = {name.removeprefix("org.opencontainers.image."): value for name, value in labels.items()}
    ours = project()
    expected = {"title": ours["name"], "version": ours["version"], "licenses": ours["license"]}
    assert expected == {name: said[name] for name in expected}
    assert {*expected, "description", "revision"} == said.keys()


def test_only_what_is_copied_gets_into_the_build() -> None:
    """A key or a virtual environment that lies about gets into no layer and no cache."""
    ignored = (ROOT / ".dockerignore").read_text()
    copied = {source for stage in STAGES for step in stage.find("COPY") for source in step.copies()[1]}
    from_context = {name for name in copied if not name.startswith("/")}
    assert from_context == {line[1:] for line in ignored.splitlines() if line.startswith("!")}
    assert [] == [name for name in from_context if not (ROOT / name).exists()]
    assert not is_let_in(".git", ignored)


def test_nothing_is_installed_but_by_hash_and_as_a_wheel() -> None:
    """Every call of pip but the one that installs our own wheel, which asks no index."""
    commands = [part for stage in STAGES for step in stage.find("RUN") for part in step.text.split("&&")]
    installs = [set(part.split()) for part in commands if " pip " in part]
    locked = {"--no-deps", "--require-hashes", "--only-binary"}
    own = {"--no-deps", "--no-index"}
    assert [True] * 3 == [locked <= words or own <= words for words in installs]


def test_the_build_backend_is_the_one_of_the_tests() -> None:
    """requirements-build.txt pins what requirements-dev.txt pins."""
    build, dev = ((ROOT / f"requirements-{name}.txt").read_text() for name in ("build", "dev"))
    pins = re.findall(r"^(\S+==\S+)", build, re.MULTILINE)
    assert "hatchling" in {pin.partition("==")[0] for pin in pins}
    assert set() == set(pins) - set(re.findall(r"^(\S+==\S+)", dev, re.MULTILINE))
