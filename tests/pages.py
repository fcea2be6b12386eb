"""The documentation's pages and the blocks of commands in them.

A block has a mark on the line before it:

- `<!-- run -->`: `make test` runs it, each block by itself.
- `<!-- run: e2e -->`: `make e2e` runs the page's blocks in their order, against a real cluster and real servers.
- `*Not run by the tests: it needs WHAT.*`: nobody runs it here, and the reader sees so.
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
            re.sub(f"^{match['indent']}", "", match["commands"], flags=re.MULTILINE),
            match["run"] or "",
            match["needs"] or "",
        )
        for match in _BLOCK.finditer(text)
    ]
