"""The image without a container engine: the Dockerfile's steps, followed below a folder that stands for the root.

Rules kept here:
- The steps are those of the Dockerfile, and .dockerignore says what there is to copy; neither is repeated here.
- An absolute path of a step is one below the folder. In a command it would be the machine's, so one there is an error.
- A stage that is over is moved away: only what COPY takes from it gets into the image.
- What is fetched comes as on this machine, pip's configuration and cache included; the hashes are the Dockerfile's.
"""

import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from tests.commands import run
from tests.image.base import link_tree, variables_of
from tests.image.dockerfile import Stage, Step, expand, read_stages

RUN_SECONDS: Final = 600
"""For what fetches packages, on a slow line; a failure alone waits so long."""
_PLACE_IN_COMMAND: Final = re.compile(r"""(?:^|[\s"'=:])/\w""")


class Image(msgspec.Struct, frozen=True):
    """What came of it.

    Attributes:
        root: the folder that stands for the image's root.
        variables: the environment of its processes.
        user: numbers of user and group, with a colon between.
        folder: where they start.
        command: what is run, found by PATH.
        labels: its labels.
        stop_signal: what ends it.
    """

    root: Path
    variables: dict[str, str]
    user: str
    folder: Path
    command: tuple[str, ...]
    labels: dict[str, str]
    stop_signal: str


def build(dockerfile: str, context: Path, base: Path, folder: Path) -> Image:
    """Follow a Dockerfile; `AssertionError` if a step fails.

    Args:
        dockerfile: its text.
        context: where its files come from.
        base: what every stage begins with, by `tests.image.base`.
        folder: an empty folder to work in, on the same file system.
    """
    root = folder / "root"
    done: dict[str, Path] = {}
    stages = read_stages(dockerfile)
    for number, stage in enumerate(stages):
        link_tree(base, root)
        work = _Work(context, root, done)
        image = work.follow(stage)
        if number < len(stages) - 1:
            done[stage.name] = root.rename(folder / f"stage-{number}")
    return image


class _Work:
    """A stage under way."""

    def __init__(self, context: Path, root: Path, done: Mapping[str, Path]) -> None:
        self._context = context
        self._root = root
        self._done = done
        self._folder = root
        self._arguments: dict[str, str] = {}
        self._variables = variables_of(root)

    def follow(self, stage: Stage) -> Image:
        """Follow its steps; what a stage that is built on lacks is empty."""
        labels: dict[str, str] = {}
        last = {step.name: step for step in stage.steps}
        for step in stage.steps:
            match step.name:
                case "ARG":
                    self._arguments |= step.pairs()
                case "ENV":
                    self._variables |= {name: self._expand_paths(value) for name, value in step.pairs().items()}
                case "LABEL":
                    labels |= {name: self._expand(value) for name, value in step.pairs().items()}
                case "WORKDIR":
                    self._folder = self._place(step.text)
                    self._folder.mkdir(parents=True, exist_ok=True)
                case "COPY":
                    self._copy(step)
                case "RUN":
                    self._run(step.text)
        return Image(
            root=self._root,
            variables=self._variables,
            user=last["USER"].text if "USER" in last else "",
            folder=self._folder,
            command=tuple(word for name in ("ENTRYPOINT", "CMD") if name in last for word in last[name].array()),
            labels=labels,
            stop_signal=last["STOPSIGNAL"].text if "STOPSIGNAL" in last else "",
        )

    def _expand(self, text: str) -> str:
        return expand(text, self._arguments | self._variables)

    def _expand_paths(self, text: str) -> str:
        """Expand a value; what is a path in it, as it is written, is one below the root."""
        parts = (f"{self._root}{part}" if part.startswith("/") else self._expand(part) for part in text.split(":"))
        return ":".join(parts)

    def _place(self, text: str) -> Path:
        return self._root / text[1:] if text.startswith("/") else self._folder / text

    def _copy(self, step: Step) -> None:
        stage, sources, to = step.copies()
        target = self._place(to)
        for source in sources:
            found = self._done[stage] / source[1:] if stage else self._context / source
            if stage:
                shutil.copytree(found, target, symlinks=True)
                continue
            assert is_let_in(source, (self._context / ".dockerignore").read_text()), f".dockerignore keeps {source} out"
            if found.is_dir():
                shutil.copytree(found, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(found, target / found.name if to.endswith("/") else target)

    def _run(self, command: str) -> None:
        assert _PLACE_IN_COMMAND.search(command) is None, f"{command!r} names a place of the machine"
        ours = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name == "HOME"}
        # The machine's cache keeps a test from fetching everything each time; the image is to have none.
        theirs = {name: value for name, value in self._variables.items() if name != "PIP_NO_CACHE_DIR"}
        run(["sh", "-euc", command], cwd=self._folder, env=ours | theirs | self._arguments, timeout=RUN_SECONDS)


def is_let_in(name: str, dockerignore: str) -> bool:
    """Tell whether a name at the top of the context gets into the build, by a .dockerignore that names what may."""
    rules = [line for line in dockerignore.splitlines() if line and not line.startswith("#")]
    assert "*" == rules[0], "it begins by keeping everything out"
    return f"!{name}" in rules


def as_user(image: Image) -> tuple[str, ...]:
    """What to put before a command so that it runs as the image's user, without any rights besides."""
    user, group = image.user.split(":")
    return (
        "setpriv",
        f"--reuid={user}",
        f"--regid={group}",
        "--clear-groups",
        "--no-new-privs",
        "--inh-caps=-all",
        "--bounding-set=-all",
    )


def python_of(image: Image) -> str:
    """The interpreter that the image's PATH leads to."""
    found = shutil.which("python", path=image.variables["PATH"])
    assert found is not None, sys.executable
    return found
