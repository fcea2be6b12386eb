"""How tests are spread over several processes."""

import pytest

from tests.conftest import find_group
from tests.interop.environments import ENVIRONMENTS

A, B = "tests/interop/test_a.py::test_", "tests/interop/test_b.py::test_"


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
