"""The documentation's pages, and the blocks of commands and of YAML in them.

A block of commands has a mark on the line before it:

- `<!-- run -->`: `make test` runs it, each block by itself.
- `<!-- run: e2e -->`: `make e2e` runs the page's blocks in their order, against a real cluster and real servers.
- `*Not run by the tests: it needs WHAT.*`: nobody runs it here, and the reader sees so.

A box of text that is marked with `<!-- shown -->` holds lines that the block above it prints, in their order; `…`
stands for what is different each time.
"""

import re
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).parent.parent
PAGES: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
_BLOCK: Final = re.compile(
    r"(?:^ *(?:<!-- (?P<run>run(?:: e2e)?) -->|\*Not run by the tests: it needs (?P<needs>[^\n]+)\.\*\n)\n)?"
    r"^(?P<indent> *)```(?:bash|sh|console)\n(?P<commands>.*?)^(?P=indent)```",
    re.DOTALL | re.MULTILINE,
)
_YAML: Final = re.compile(r"^(?P<indent> *)```yaml\n(?P<text>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)
_BOX: Final = re.compile(r"^<!-- shown -->\n```text\n(?P<lines>.*?)^```$", re.DOTALL | re.MULTILINE)
_VARYING: Final = "…"


class Block(msgspec.Struct, frozen=True):
    """A block of commands.

    Attributes:
        line: of the page, where the block or its mark begins.
        commands: what a reader would paste.
        run: "run" or "run: e2e"; empty where no test runs it.
        needs: what it would need to be run; empty where a test runs it.
    """

    line: int
    commands: str
    run: str
    needs: str

    @property
    def is_marked(self) -> bool:
        """Tell whether the block says who runs it, or what it needs."""
        return bool(self.run or self.needs)


def blocks(text: str) -> list[Block]:
    """Find the blocks of commands of a page, in their order."""
    return [
        Block(
            text[: match.start()].count("\n") + 1,
            _dedent(match["commands"], match["indent"]),
            match["run"] or "",
            match["needs"] or "",
        )
        for match in _BLOCK.finditer(text)
    ]


def yaml_blocks(text: str) -> list[str]:
    """Find the blocks of YAML of a page, in their order; they have no marks, for nobody runs them."""
    return [_dedent(match["text"], match["indent"]) for match in _YAML.finditer(text)]


class Box(msgspec.Struct, frozen=True):
    """Lines that a block of commands prints.

    Attributes:
        line: of the page, where that block or its mark begins.
        shown: what a reader sees, line by line.
    """

    line: int
    shown: tuple[str, ...]

    def find_missing(self, said: str) -> list[str]:
        """The lines that are not in what was printed, after the one before them."""
        printed = iter(said.splitlines())
        return [line for line in self.shown if not any(map(_make_pattern(line).fullmatch, printed))]


def boxes(text: str) -> list[Box]:
    """Find the boxes of a page, in their order."""
    commands = blocks(text)
    return [
        Box(
            max(block.line for block in commands if block.line <= text[: match.start()].count("\n")),
            tuple(match["lines"].splitlines()),
        )
        for match in _BOX.finditer(text)
    ]


def _dedent(text: str, indent: str) -> str:
    """Take away what indents a block within a list."""
    return re.sub(f"^{indent}", "", text, flags=re.MULTILINE)


def _make_pattern(line: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, line.split(_VARYING))))
