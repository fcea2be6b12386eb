"""Tests of `tests.missing`: what is left out on a machine that lacks something, and never in CI."""

import pytest

from tests.missing import leave_out, needs

MISSING = "no promtool: install it"


def test_in_ci_nothing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing there fails, with what to do."""
    monkeypatch.setenv("CI", "true")
    with pytest.raises(AssertionError, match=MISSING):
        leave_out(MISSING)
    assert (False,) == needs(MISSING, there=False).args


def test_elsewhere_a_test_is_left_out_for_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same words, and for nothing else."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=MISSING):
        leave_out(MISSING)
    mark = needs(MISSING, there=False)
    assert ((True,), {"reason": MISSING}) == (mark.args, mark.kwargs)
    assert (False,) == needs(MISSING, there=True).args
