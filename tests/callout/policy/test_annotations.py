"""callout.policy.annotations: what a misspelt annotation is meant for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.policy.annotations import find_namesakes, looks_like_several, name_annotations, suggest

BOTH = "there are nats.io/allowed-pub-subjects and nats.io/allowed-sub-subjects"


@pytest.mark.parametrize(
    ("annotation", "remedy"),
    [
        ("nats.io/allowed-pub-subject", "was nats.io/allowed-pub-subjects meant?"),
        ("nats.io/allow-sub-subjects", "was nats.io/allowed-sub-subjects meant?"),
        ("nats.io/Allowed-Sub-Subjects", "was nats.io/allowed-sub-subjects meant?"),
        ("nats.io/allowed_pub_subjects", "was nats.io/allowed-pub-subjects meant?"),
        ("nats.io/account", BOTH),
        ("nats.io/allowed-subjects", BOTH),
        ("nats.io/", BOTH),
        ("nat.io/allowed-sub-subjects", "was nats.io/allowed-sub-subjects meant?"),
        ("a-team-with-a-long-name.example.com/allowed-pub-subjects", "was nats.io/allowed-pub-subjects meant?"),
    ],
)
def test_a_misspelt_annotation_has_a_remedy(annotation: str, remedy: str) -> None:
    """The name that it resembles, or else both that there are."""
    assert remedy == suggest(annotation, "nats.io/")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [("a.b; c.d", True), ("a.b c.d", True), ("a.b\nc.d", True), ("a..b;", True), ("a..b", False), ("a*", False)],
)
def test_what_looks_like_several_subjects_is_told(entry: str, expected: bool) -> None:
    """A comma alone separates them; a line of its own, say, does not."""
    assert expected is looks_like_several(entry)


@pytest.mark.parametrize("name", ["allowed-pub-subjects", "allowed-pub-subject", "x"])
def test_a_slash_that_the_prefix_lacks_is_asked_for(name: str) -> None:
    """The annotation is right then, and the setting is not."""
    assert "SA_ANNOTATION_PREFIX has no slash: was nats.io/ meant there?" == suggest(f"nats.io/{name}", "nats.io")
    assert "no slash" not in suggest(f"example.com/{name}", "nats-"), (
        "a prefix may end otherwise, and this is another's"
    )
    assert "was natsallowed-pub-subjects meant?" == suggest("nats-allowed-pub-subjects", "nats")


def test_a_name_of_ours_under_another_prefix_is_found() -> None:
    """Neither ours, nor what is only like it: that is not looked for among others' annotations."""
    names = ("nats.io/allowed-pub-subjects", "nat.io/allowed-sub-subjects", "allowed-pub-subjects", "x/allowed")
    assert names[1:3] == find_namesakes(names, "nats.io/")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=64), st.sampled_from(["nats.io/", "nats", "team.example.com/nats-"]))
def test_only_annotations_that_mean_something_are_suggested(name: str, prefix: str) -> None:
    """Whatever stands there, and whatever the prefix is; or else the prefix is put right."""
    remedy = suggest(prefix + name, prefix)
    if name.startswith("/") and "/" not in prefix:
        assert remedy.endswith(f"was {prefix}/ meant there?")
    else:
        assert any(known in remedy for known in name_annotations(prefix))
