"""callout.policy.annotations: what a misspelt annotation is meant for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.policy.annotations import name_annotations, suggest

BOTH = "there are nats.io/allowed-pub-subjects and nats.io/allowed-sub-subjects"


@pytest.mark.parametrize(
    ("annotation", "remedy"),
    [
        ("nats.io/allowed-pub-subject", "was nats.io/allowed-pub-subjects meant?"),
        ("nats.io/allow-sub-subjects", "was nats.io/allowed-sub-subjects meant?"),
        ("nats.io/Allowed-Sub-Subjects", "was nats.io/allowed-sub-subjects meant?"),
        ("nats.io/allowed_pub_subjects", "was nats.io/allowed-pub-subjects meant?"),
        ("nats.io/account", BOTH),
        ("nats.io/", BOTH),
    ],
)
def test_a_misspelt_annotation_has_a_remedy(annotation: str, remedy: str) -> None:
    """The name that it resembles, or else both that there are."""
    assert remedy == suggest(annotation, "nats.io/")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=64), st.sampled_from(["nats.io/", "nats", "team.example.com/nats-"]))
def test_only_annotations_that_mean_something_are_suggested(name: str, prefix: str) -> None:
    """Whatever stands there, and whatever the prefix is."""
    assert any(known in suggest(prefix + name, prefix) for known in name_annotations(prefix))
