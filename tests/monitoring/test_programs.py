"""Whoever lacks Prometheus is told what brings it."""

import pytest

from tests.monitoring.programs import find_program

MISSING = "no-such-program is needed: 'apt-get install prometheus' has it"


def test_a_missing_program_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """There it was to be installed: a test that is left out would go unnoticed."""
    monkeypatch.setenv("CI", "true")
    with pytest.raises(AssertionError, match=MISSING):
        find_program("no-such-program")


def test_a_missing_program_leaves_the_test_out_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make test` asks for nothing but Python."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=MISSING):
        find_program("no-such-program")
