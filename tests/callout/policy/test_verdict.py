"""The closed sets that logs, metrics and documents share."""

import re

import pytest

from callout.policy.verdict import DropReason


@pytest.mark.parametrize("reason", DropReason)
def test_every_reason_has_a_label_a_meaning_and_a_remedy(reason: DropReason) -> None:
    """The name is fit for a metric label, and the operator gets two whole sentences."""
    assert re.fullmatch(r"[a-z_]+", reason)
    assert reason.name.lower() == reason.value
    for sentence in (reason.meaning, reason.remedy):
        assert re.fullmatch(r"[A-Z].*[.…]", sentence)
