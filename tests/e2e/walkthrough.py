"""A page of the documentation, carried out as its reader would: block after block in one shell, against real parts.

Rules kept here:
- The blocks run as they stand, but for the ports: those of the page may be taken on this machine.
- What a page shows below a block has to be what the block has printed.
- A shell with `errexit`: the first command that fails ends it, and the failure names the line of its block.
- What the page starts in the background ends with the shell's process group, whatever happens.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from tests.e2e.server_process import HeldPort
from tests.pages import ROOT, blocks, boxes

PORTS: Final = ("4222", "8080")
"""What the pages use: NATS' port and ours."""
WALK_SECONDS: Final = 240
"""A page takes some ten seconds; two busy cores need much longer."""
TAIL_LENGTH: Final = 4000
"""Characters of what was printed last, for the message about a page that failed."""
_ANNOUNCED: Final = re.compile(r"^--- line (\d+)\n(.*?)(?=^--- line |\Z)", re.DOTALL | re.MULTILINE)
"""The line of a block, and what it printed."""


class Walkthrough:
    """One page, to be carried out within a `with` block.

    Args:
        page: the file; its blocks marked `run: e2e` are run.
        tools: the folder with the programs that a reader has installed.
        folder: an existing, empty folder to do it in; HOME lies there too.
        kubeconfig: of an administrator of the cluster.
        is_taken: tells of a block's commands whether this reader runs them.
        more: variables that the reader has set besides.

    Attributes:
        ports: a free port for each that the page names.
        left: the processes that it has started and not ended, by their command lines; known when it has been run.
    """

    def __init__(
        self,
        page: Path,
        tools: Path,
        folder: Path,
        kubeconfig: Path,
        is_taken: Callable[[str], bool] = lambda _: True,
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._page, self._folder, self._is_taken = page, folder, is_taken
        self._held = [HeldPort() for _ in PORTS]
        self.ports = {port: held.number for port, held in zip(PORTS, self._held, strict=True)}
        self.left: list[str] = []
        search = os.pathsep.join([str(Path(sys.prefix) / "bin"), str(tools), os.environ.get("PATH", os.defpath)])
        self._variables = {
            "PATH": search,
            "HOME": str(folder),
            "KUBECONFIG": str(kubeconfig),
            "CHECKOUT": str(ROOT),
            "LANG": "C.UTF-8",
            **more,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for held in self._held:
            held.close()

    def run(self) -> str:
        """Run it to its end, and return what it printed.

        Raises:
            AssertionError: a command failed, with the line of its block and the last words; or the page shows what was
                not printed.
        """
        script, output = self._folder / "page.sh", self._folder / "page.log"
        script.write_text(_write_script(self._page.read_text(), self.ports, self._is_taken))
        with output.open("wb") as log:
            shell = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "bash", "-euo", "pipefail", script],
                cwd=self._folder,
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            code = shell.wait(WALK_SECONDS)
            self.left = _list_session(shell.pid)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
        said = output.read_text(errors="replace")
        assert code == 0, f"{self._page.name} failed with {code}: {said[-TAIL_LENGTH:]}"
        missing = _find_missing(self._page.read_text(), said)
        assert missing == [], f"{self._page.name} shows what was not printed: {missing}"
        return said


def _list_session(leader: int) -> list[str]:
    """The command lines of the processes whose session a process has begun; one that has ended has none."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if os.getsid(int(path.parent.name)) == leader:
                found.append(path.read_text(errors="replace").replace("\0", " ").strip())
    return [line for line in found if line]


def _find_missing(text: str, said: str) -> list[str]:
    """The lines that a page shows below blocks which were run, and which these have not printed."""
    printed = dict(_ANNOUNCED.findall(said))
    return [
        line for box in boxes(text) if str(box.line) in printed for line in box.find_missing(printed[str(box.line)])
    ]


def _write_script(text: str, ports: Mapping[str, int], is_taken: Callable[[str], bool]) -> str:
    """Join the blocks, each announced by its line, with other ports."""
    script = "".join(
        f"echo '--- line {block.line}'\n{block.commands}"
        for block in blocks(text)
        if block.run == "run: e2e" and is_taken(block.commands)
    )
    return re.sub(rf"\b({'|'.join(ports)})\b", lambda match: str(ports[match[1]]), script)
