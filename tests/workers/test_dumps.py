"""workers.dumps: a process that crashes leaves nothing of its memory behind."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import attempt
from workers.dumps import CORE_BYTES

GET_DUMPABLE, SET_DUMPABLE = 3, 4  # of linux/prctl.h
ALLOW = "import os, resource as r; most = r.getrlimit(r.RLIMIT_CORE)[1]; r.setrlimit(r.RLIMIT_CORE, (most, most)); "
FORBID = "from workers.dumps import forbid_dumps; forbid_dumps(); "
SOMEBODY = 1002
LIMITED = f"""
import ctypes, os, resource, sys
from workers.dumps import forbid_dumps

prctl = ctypes.CDLL(None).prctl
resource.setrlimit(resource.RLIMIT_CORE, (int(sys.argv[1]), int(sys.argv[1])))
os.setuid({SOMEBODY})
prctl({SET_DUMPABLE}, 1, 0, 0, 0)  # which a change of users has taken away
forbid_dumps()
print(resource.getrlimit(resource.RLIMIT_CORE), prctl({GET_DUMPABLE}, 0, 0, 0, 0))
"""


def crash(folder: Path, code: str) -> bool:
    """Let a process crash in a folder; tell whether Linux has dumped its memory, wherever to."""
    process = subprocess.Popen([sys.executable, "-c", f"{ALLOW}{code}os.chdir({str(folder)!r}); os.abort()"])
    _, status = os.waitpid(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert -signal.SIGABRT == process.returncode
    return os.WCOREDUMP(status)


def test_a_crash_leaves_no_file(tmp_path: Path) -> None:
    """Where one would be left otherwise."""
    if not crash(tmp_path, ""):
        pytest.skip("here no process ever leaves one")
    for left in tmp_path.iterdir():
        left.unlink()
    assert not crash(tmp_path, FORBID)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="root may set limits, and become somebody who may not")
@pytest.mark.parametrize(
    ("most", "limit", "dumpable"),
    [(resource.RLIM_INFINITY, CORE_BYTES, 1), (CORE_BYTES, CORE_BYTES, 1), (0, 0, 0)],
)
def test_a_limit_that_may_not_be_raised_does_not_matter(most: int, limit: int, dumpable: int) -> None:
    """A pipe asks for no limit but that of one byte: the process is marked then as one that is not dumped."""
    done = attempt([sys.executable, "-c", LIMITED, str(most)])
    assert (0, "") == (done.returncode, done.stderr)
    assert f"{(limit, limit)} {dumpable}\n" == done.stdout
