"""The closed set of reasons: each is a metric label, a log field, an error text and a row of the documentation."""

import re

import msgspec
import pytest

from workers.reasons import Reason

GROUPS = ("request_", "token_", "serviceaccount_", "internal_")


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_named_as_metrics_name_things(reason: Reason) -> None:
    """The value is lower case with underscores, says which part was refused, and is the member's own name."""
    assert re.fullmatch(r"[a-z]+(_[a-z]+)+", reason.value)
    assert reason.value.startswith(GROUPS)
    assert reason.name.lower() == reason.value


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_explains_itself(reason: Reason) -> None:
    """Meaning and remedy are sentences on one line, so that they fit a table row."""
    for text in (reason.meaning, reason.remedy):
        assert text.endswith(".")
        assert text.isprintable()
        assert text == text.strip()


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_written_as_its_value(reason: Reason) -> None:
    """In text and in JSON a reason is its value and nothing else."""
    assert reason.value == f"{reason}"
    assert f'"{reason.value}"'.encode() == msgspec.json.encode(reason)
    assert reason is Reason.__members__[reason.value.upper()]


def test_no_two_reasons_say_the_same() -> None:
    """An enum would silently make one of two equal values an alias; no two share a meaning either."""
    assert len(Reason.__members__) == len({reason.value for reason in Reason})
    assert len(Reason.__members__) == len({reason.meaning for reason in Reason})
