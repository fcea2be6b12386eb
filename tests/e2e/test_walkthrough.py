"""Tests of `tests.e2e.walkthrough`: what is left of a page that has been carried out."""

from pathlib import Path

from tests.e2e.walkthrough import Walkthrough

PAGE = """<!-- run: e2e -->
```bash
python3 leave.py &
until [ -e ended ]; do sleep 0.01; done
```
"""
LEAVE = """
import os, pathlib, time
ended = os.posix_spawn("/bin/true", ["true"], {})
os.waitid(os.P_PID, ended, os.WEXITED | os.WNOWAIT)
pathlib.Path("ended").touch()
time.sleep(60)
"""
"""Stays, and so does what it has started and not asked after, though that has ended."""


def test_what_has_ended_is_not_left(tmp_path: Path) -> None:
    """Whoever has started it may not have asked after it yet; what goes on is left, and killed."""
    (tmp_path / "page.md").write_text(PAGE)
    (tmp_path / "leave.py").write_text(LEAVE)
    with Walkthrough(tmp_path / "page.md", tmp_path, tmp_path, tmp_path / "none") as walk:
        walk.run()
        assert ["python3 leave.py"] == walk.left
