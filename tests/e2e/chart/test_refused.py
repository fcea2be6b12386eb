"""Values that would give an unsafe or a dead deployment are refused, with a sentence that says what to set."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.chart.helm import CHART, VARIANTS, Helm, merge, walk

REFUSED = yaml.safe_load((Path(__file__).parent / "refused.yaml").read_text())
GOOD = {path.stem: yaml.safe_load(path.read_text()) for path in VARIANTS}
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
KEYWORDS = {"enum", "maximum", "minItems", "minLength", "minProperties", "minimum", "pattern", "required"}
"""What a rule of the schema may be, beside types and unknown names, which have tests of their own."""
STRUCTURE = {"$ref", "$schema", "additionalProperties", "definitions", "description", "items", "properties"}
STRUCTURE |= {"title", "type"}
A_SENTENCE = re.compile(r'"([A-Za-z.%]+: (?:[^"\\]|\\.)+)"')
TOKEN = "SAAFAKESEEDTHATNOBODYMAYSEE"


def find_rules(schema: dict[str, Any], place: str = "#") -> Iterator[str]:
    """Where the rules of the schema stand."""
    assert set() == set(schema) - KEYWORDS - STRUCTURE, place
    yield from (f"{place}/{keyword}" for keyword in sorted(KEYWORDS & set(schema)))
    for keyword in ("definitions", "properties"):
        for name, child in schema.get(keyword, {}).items():
            yield from find_rules(child, f"{place}/{keyword}/{name}")
    for keyword in ("additionalProperties", "items"):
        if isinstance(schema.get(keyword), dict):
            yield from find_rules(schema[keyword], f"{place}/{keyword}")


def find_closed(schema: dict[str, Any], values: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The mappings in these values that take no unknown names."""
    target = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if target.get("additionalProperties") is False:
        yield path
    for name, child in target.get("properties", {}).items():
        if isinstance(values.get(name), dict):
            yield from find_closed(child, values[name], (*path, name))


def put(path: tuple[str, ...], value: object) -> Any:
    """Values with this one at its place."""
    for name in reversed(path):
        value = {name: value}
    return value


@pytest.mark.parametrize("row", REFUSED["schema"], ids=lambda row: row["says"].partition(":")[0])
def test_a_malformed_value_is_named(helm: Helm, row: dict[str, Any]) -> None:
    """By its place, with what is wrong with it; the values around it are good."""
    run = helm.attempt_values(merge(GOOD["server-mode"], row["values"]))
    complaints = [line for line in run.error.splitlines() if line.lstrip().startswith("- at ") and "failed" not in line]
    assert (1, 1) == (run.code, len(complaints)), run.error
    assert row["says"] in complaints[0]


def test_every_rule_of_the_schema_has_values_that_break_it() -> None:
    """A rule that nothing breaks may be one that nothing can break."""
    assert set(find_rules(SCHEMA)) == {row["rule"] for row in REFUSED["schema"]}


def test_no_value_may_be_of_another_type(helm: Helm) -> None:
    """Each value that is no mapping is given one, all at once, and each is named."""
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    leaves = [path for path, value in walk(defaults) if not isinstance(value, dict)]
    wrong: Any = {}
    for path in leaves:
        wrong = merge(wrong, put(path, {"wrong": True}))
    run = helm.attempt_values(wrong)
    places = [f"'/{'/'.join(path)}'" for path in leaves if path[0] not in {"podSecurityContext", "securityContext"}]
    assert [] == [place for place in places if f"- at {place}:" not in run.error]


def test_no_mapping_takes_unknown_names(helm: Helm) -> None:
    """A misspelt value would be ignored without a word: so all mappings of ours are closed."""
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    closed = list(find_closed(SCHEMA, defaults))
    kubernetes = {"podSecurityContext", "securityContext", "requests"}
    expected = {path for path, value in walk(defaults) if isinstance(value, dict) and value}
    labels = ("metrics", "dashboard", "labels")
    assert {path for path in expected - {labels} if not kubernetes & set(path)} == set(closed) & expected
    wrong: Any = {}
    for path in closed:
        wrong = merge(wrong, put((*path, "misspelt"), "x"))
    run = helm.attempt_values(wrong)
    places = [f"'{''.join(f'/{name}' for name in path)}'" for path in closed]
    missing = [one for one in places if f"- at {one}: additional properties 'misspelt' not allowed" not in run.error]
    assert [] == missing


@pytest.mark.parametrize("row", REFUSED["sentences"], ids=lambda row: row["why"])
def test_values_that_do_not_go_together_are_refused_in_a_sentence(helm: Helm, row: dict[str, Any]) -> None:
    """It names the value, what is wrong with it, and what to set; the values around it are good."""
    run = helm.attempt_values(merge(GOOD[row["variant"]], row["values"]))
    assert (1, row["says"]) == (run.code, run.refusal), run.error


def test_every_sentence_of_the_chart_has_values_that_bring_it_up() -> None:
    """So that none is dead."""
    text = (CHART / "templates/_checks.tpl").read_text()
    sentences = [found.replace('\\"', '"') for found in A_SENTENCE.findall(text)]
    patterns = [re.sub("%[sd]", ".+", re.escape(sentence)) for sentence in sentences]
    said = [row["says"] for row in REFUSED["sentences"]]
    assert len(patterns) > 20
    assert [] == [pattern for pattern in patterns if not any(re.fullmatch(pattern, one) for one in said)]


def test_several_problems_are_told_at_once(helm: Helm) -> None:
    """Nobody has to try again and again."""
    run = helm.attempt_values({})
    assert ["image.repository", "nats.account", "nats.url", "nats.signingKey"] == [
        line.partition(":")[0] for line in run.refusal.splitlines()
    ]


@pytest.mark.parametrize(
    "values",
    [
        {"nats": {"token": f"{TOKEN} with a blank"}},
        {"nats": {"url": f"callout:{TOKEN}@nats"}},
        {"nats": {"signingKey": {"content": TOKEN}}},
        {"secretEnv": {"NATS_URL": [TOKEN]}},
        {"secretVolume": {"key": f"{TOKEN}!"}},
    ],
)
def test_a_refusal_repeats_no_secret(helm: Helm, values: object) -> None:
    """It ends up in the log of whatever has run helm."""
    for repository in ("", "registry.example.com/refused"):  # by the schema, and by the chart itself
        run = helm.attempt_values(merge(GOOD["server-mode"], merge({"image": {"repository": repository}}, values)))
        assert 1 == run.code
        assert TOKEN not in run.output + run.error
