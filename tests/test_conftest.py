"""How tests are spread over several processes, and that one may be a coroutine."""

import os
import re
import sys
from pathlib import Path

import pytest

from tests.commands import attempt
from tests.conftest import find_group
from tests.interop.environments import ENVIRONMENTS

A, B = "tests/interop/test_a.py::test_", "tests/interop/test_b.py::test_"

COROUTINES = """
import asyncio
import pytest
import tests.conftest as ours

@pytest.fixture
def number():
    return 5

@pytest.fixture
def hurry(monkeypatch):
    monkeypatch.setattr(ours, "TEST_SECONDS", 0.5)  # in earnest five minutes

@pytest.mark.parametrize("other", [5])
async def test_that_holds(number, other):
    await asyncio.sleep(0)
    assert number == other

async def test_that_fails():
    await asyncio.sleep(0)
    assert 5 == 6

async def test_that_hangs(hurry):
    await asyncio.Event().wait()
"""
SESSION = """
import sys, pytest
import tests.conftest as ours

words = ["-c", "/dev/null", "--rootdir", sys.argv[1], "-p", "no:cacheprovider", "-rA", "-q", sys.argv[1]]
sys.exit(pytest.main(words, plugins=[ours]))
"""


@pytest.mark.parametrize("setting", [str(setting) for setting in ENVIRONMENTS])
def test_tests_of_one_server_stay_together(setting: str) -> None:
    """What the session shares is one group over all modules, what a module shares is one in it."""
    assert find_group(f"{A}1[shared-{setting}]") == find_group(f"{B}2[shared-{setting}-auth_token-nats]")
    assert find_group(f"{A}1[{setting}]") == find_group(f"{A}2[{setting}-orders/a-b]")
    assert find_group(f"{A}1[{setting}]") != find_group(f"{B}1[{setting}]")


def test_settings_are_groups_of_their_own() -> None:
    """Each has a server of its own, shared or not."""
    groups = {find_group(f"{A}1[{shared}{setting}]") for setting in ENVIRONMENTS for shared in ("", "shared-")}
    assert 2 * len(ENVIRONMENTS) == len(groups)


def test_tests_of_the_image_stay_together() -> None:
    """Whatever their module."""
    assert find_group("tests/image/test_a.py::test_1") == find_group("tests/image/test_b.py::test_2[plain]")


def test_all_others_run_anywhere() -> None:
    """A test without a setting is its own group, whatever its module or row."""
    for nodeid in (f"{A}1", f"{A}1[server]", f"{A}1[plain-2.15]", "tests/test_a.py::test_1[operator]"):
        assert nodeid == find_group(nodeid)


def test_a_coroutine_is_run_to_its_end_or_its_deadline(tmp_path: Path) -> None:
    """With fixtures and rows like any other test; what it does not hold fails, and so does what never comes."""
    (tmp_path / "test_coroutines.py").write_text(COROUTINES)
    done = attempt([sys.executable, "-c", SESSION, str(tmp_path)], env={"PATH": os.defpath, "COLUMNS": "500"})
    assert (1, "") == (done.returncode, done.stderr)
    told = dict(re.findall(r"^(?:PASSED|FAILED) \S+::(\w+)\S*(?: - )?(.*)$", done.stdout, re.MULTILINE))
    assert {"test_that_holds": "", "test_that_fails": "assert 5 == 6", "test_that_hangs": "TimeoutError"} == told
