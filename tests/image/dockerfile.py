"""The Dockerfile as its own steps: read for the tests, which follow them instead of repeating them.

Rules kept here:
- Pure: text in, steps out.
- An instruction that is not known here is an error, so that no step is overlooked.
- Only what our Dockerfile uses of the language (docs.docker.com/reference/dockerfile): no heredocs, no shell form of
  ENTRYPOINT and CMD, no options but `--from`.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

INSTRUCTIONS: Final = frozenset(
    ("ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "LABEL", "RUN", "STOPSIGNAL", "USER", "WORKDIR")
)
_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_COPY_FROM: Final = re.compile(r"--from=(\S+)\s+")


class Step(msgspec.Struct, frozen=True):
    """One instruction; `text` is what follows its name, on one line."""

    name: str
    text: str

    def words(self) -> list[str]:
        """The words of the text, without their quotes."""
        return shlex.split(self.text)

    def pairs(self) -> dict[str, str]:
        """What ARG, ENV or LABEL set, not yet expanded; an ARG without a value is empty."""
        return {name: value for name, _, value in (word.partition("=") for word in self.words())}

    def array(self) -> list[str]:
        """What ENTRYPOINT or CMD runs."""
        decoded: list[str] = json.loads(self.text)
        return decoded

    def copies(self) -> tuple[str, list[str], str]:
        """What COPY copies: the stage it is from ("" for the context), the sources, the destination."""
        found = _COPY_FROM.match(self.text)
        *sources, to = shlex.split(self.text[found.end() :] if found else self.text)
        return found[1] if found else "", sources, to


class Stage(msgspec.Struct, frozen=True):
    """A stage with its steps, FROM not among them; `base` is expanded, and `name` is "" for one that has none."""

    name: str
    base: str
    steps: tuple[Step, ...]

    def find(self, name: str) -> list[Step]:
        """The steps of that name."""
        return [step for step in self.steps if step.name == name]

    def find_one(self, name: str) -> Step:
        """The one step of that name."""
        [step] = self.find(name)
        return step


def read_stages(text: str) -> list[Stage]:
    """Read a Dockerfile; `ValueError` if there is something in it that is not known here."""
    defaults: dict[str, str] = {}
    stages: list[Stage] = []
    for step in _read_steps(text):
        if step.name == "FROM":
            base, *named = expand(step.text, defaults).split()
            stages.append(Stage(named[1] if named else "", base, ()))
        elif stages:
            stages[-1] = msgspec.structs.replace(stages[-1], steps=(*stages[-1].steps, step))
        elif step.name == "ARG":
            defaults |= step.pairs()
        else:
            raise ValueError(f"{step.name} stands before the first FROM")
    return stages


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Put variables into a text; one that is not set is empty, as it is there."""
    return _VARIABLE.sub(lambda match: variables.get(match[1] or match[2], ""), text)


def _read_steps(text: str) -> Iterator[Step]:
    lines = (line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    for line in lines:
        whole = line
        while whole.endswith("\\"):
            whole = whole[:-1] + next(lines).strip()
        name, _, rest = whole.strip().partition(" ")
        text = rest.strip()
        if name not in INSTRUCTIONS or (text.startswith("--") and not _COPY_FROM.match(text)):
            raise ValueError(f"{whole!r} is not known here")
        yield Step(name, text)
