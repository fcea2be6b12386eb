"""What is known of versions of nats-server."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.doctor.findings import Severity
from callout.doctor.versions import NEWEST, check_version, parse_version
from workers.user_jwt import Mode


@pytest.mark.parametrize(
    ("version", "mode", "severity", "words"),
    [
        ("2.9.25", Mode.SERVER, Severity.WRONG, "no auth callout"),
        ("2.10.29", Mode.SERVER, Severity.NOTICE, "shows clients' tokens"),
        ("2.10.29", Mode.OPERATOR, Severity.NOTICE, "no default_sentinel"),
        ("2.11.2", Mode.SERVER, Severity.NOTICE, "who has signed an answer"),
        ("2.14.5", Mode.SERVER, Severity.NOTICE, "who has signed an answer"),
        ("2.14.6", Mode.OPERATOR, Severity.NOTICE, "who has signed an answer"),
        ("2.15.1", Mode.OPERATOR, Severity.NOTICE, "who has signed a denial"),
        ("2.15.2", Mode.SERVER, Severity.OK, "nothing is known against it"),
        ("v3.0.0-RC.1", Mode.OPERATOR, Severity.OK, "nothing is known against it"),
        ("", Mode.SERVER, Severity.UNKNOWN, "does not tell"),
    ],
)
def test_each_version_has_its_limits(version: str, mode: Mode, severity: Severity, words: str) -> None:
    """A limit counts for all versions below the one that lifted it, and in its mode."""
    finding = check_version(version, mode)
    assert severity == finding.severity
    assert words in finding.what


@pytest.mark.parametrize("version", ["2.10.29", "2.15.1"])
def test_a_newer_version_is_named_for_every_kind_of_server(version: str) -> None:
    """It may run on a laptop; in Kubernetes the chart has it, which would undo what is changed past it."""
    mend = check_version(version, Mode.SERVER).mend
    assert mend.startswith(f"install nats-server {NEWEST} or later  # with NATS's chart: helm upgrade nats nats/nats ")
    assert " --version <as helm list has it> " in mend
    assert mend.endswith(f"--reuse-values --set container.image.tag={NEWEST}-alpine")


@pytest.mark.parametrize("mode", Mode)
def test_nothing_is_known_against_the_version_that_is_named(mode: Mode) -> None:
    """Whoever follows the advice is not advised again."""
    assert Severity.OK == check_version(NEWEST, mode).severity


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_a_version_or_none(text: str) -> None:
    """Whatever a server calls itself, there is an answer."""
    version = parse_version(text)
    assert version is None or len(version) == 3
