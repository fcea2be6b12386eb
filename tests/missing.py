"""What a test needs and a machine may lack: there the test is left out, and in CI it fails.

`make test` asks for nothing but Python, and `make e2e` for little besides. CI has all of it, and must have it: what is
left out there would go unnoticed. Which user runs the tests, and what the kernel lets him do, is nothing that could be
installed: a test for root alone, for anybody else, or with mounts of its own has a plain `skipif`.
"""

import os
from typing import NoReturn

import pytest


def leave_out(missing: str) -> NoReturn:
    """Skip the test, or in CI fail it; `missing` says what is not there, and what brings it."""
    assert not os.environ.get("CI"), missing
    pytest.skip(missing)


def needs(missing: str, *, there: bool) -> pytest.MarkDecorator:
    """The mark of a test that is left out where something is not there; in CI it runs all the same, and so fails."""
    return pytest.mark.skipif(not there and not os.environ.get("CI"), reason=missing)
