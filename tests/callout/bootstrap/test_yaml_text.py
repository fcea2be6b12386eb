"""Documents written as YAML."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.bootstrap.yaml_text import render_yaml


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(st.characters(codec="ascii"), min_size=1), st.text(st.characters(codec="utf-8"))))
def test_what_is_written_is_read(document: dict[str, str]) -> None:
    """Whatever the text."""
    assert document == yaml.safe_load(render_yaml(document))


def test_it_can_be_read_by_people() -> None:
    """Lines stay lines, long ones whole, and the order is that of the document."""
    assert "b: |\n  x\n  y\na: " + "j" * 5000 + "\n" == render_yaml({"b": "x\ny\n", "a": "j" * 5000})


@pytest.mark.parametrize(
    "text", ["y", "N", "no", "1e3", "1.5E+3", "0o17", "0x1f", "0b1", "12", "12:30", "null", "~", "true"]
)
def test_what_others_read_otherwise_is_quoted(text: str) -> None:
    """Names of namespaces may look like numbers and truth values; go-yaml knows some that PyYAML does not."""
    assert render_yaml({"namespace": text}) in (f'namespace: "{text}"\n', f"namespace: '{text}'\n")


@pytest.mark.parametrize("text", ["nats-system", "1a", "yes-no", "e3", "nats.example:4222"])
def test_what_is_a_text_for_everybody_is_not(text: str) -> None:
    """It reads better so."""
    assert f"namespace: {text}\n" == render_yaml({"namespace": text})
