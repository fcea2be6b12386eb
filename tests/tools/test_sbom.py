"""The bill of materials lists what is pinned, says who needs whom, and is the same whenever it is made."""

import json
import re
from typing import Any

import pytest

from tests.pages import ROOT
from tools.sbom import Facts, Pin, Product, find_needed, make_document, normalize, read_pins

HASH = f"    --hash=sha256:{'0' * 64}"
REQUIREMENTS = f"# by hand\nB_two==2.0 ; implementation_name != 'PyPy' \\\n{HASH} \\\n{HASH}\na.one==1.0 \\\n{HASH}\n"
FACTS = {
    "a-one": Facts("MIT", is_expression=True, requires=("b-two>=1", 'colour; extra == "pretty"')),
    "b-two": Facts("BSD License", is_expression=False, requires=()),
}
PRODUCT = Product("ours", "3", "what it is", "Apache-2.0", ("a_one[fast]>=1",))


def make(requirements: str = REQUIREMENTS, product: Product = PRODUCT) -> dict[str, Any]:
    """The document, decoded."""
    decoded: dict[str, Any] = json.loads(make_document(product, requirements, FACTS))
    return decoded


def test_pins_are_read_with_their_markers() -> None:
    """In the order of the file, as they are spelt there."""
    assert [Pin("B_two", "2.0", "implementation_name != 'PyPy'"), Pin("a.one", "1.0")] == read_pins(REQUIREMENTS)


def test_our_own_requirements_can_be_read() -> None:
    """Every pin of the file that decides what is installed."""
    text = (ROOT / "requirements.txt").read_text()
    expected = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", text, re.MULTILINE)
    assert expected == [(pin.name, pin.version) for pin in read_pins(text)]


@pytest.mark.parametrize(
    ("requirements", "complaint"),
    [
        ("a==1\n", "line 1 is neither"),
        ("a>=1 \\\n", "line 1 is neither"),
        (HASH, "line 1 is neither"),
        (f"-e .\na==1 \\\n{HASH}\n", "line 1 is neither"),
        (f"a==1 \\\nb==1 \\\n{HASH}\n", "line 2 is neither"),
        ("a==1 \\\n", "a has no hash"),
        ("a==1 \\\n    --hash=md5:0\n", "line 2 is neither"),
    ],
)
def test_what_is_not_locked_is_refused(requirements: str, complaint: str) -> None:
    """A bill that left something out would be worse than none."""
    with pytest.raises(ValueError, match=complaint):
        read_pins(requirements)


@pytest.mark.parametrize("name", ["ruamel.yaml", "Ruamel_YAML", "ruamel-._yaml"])
def test_a_name_has_one_spelling(name: str) -> None:
    """Small letters, and a hyphen for any run of separators."""
    assert "ruamel-yaml" == normalize(name)


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ("a-one", True),
        ("A.One>=1", True),
        ("a_one[fast,pretty] (>=1,<2)", True),
        ('a-one; python_version < "3.12"', True),
        ('a-one; extra == "fast"', False),
        ("a-one ; python_version < '4' and extra == 'fast'", False),
        ("another", False),
    ],
)
def test_what_is_needed(requirement: str, *, expected: bool) -> None:
    """Pins alone, on whatever platform; what an extra needs is needed by nobody who did not ask for it."""
    assert (["pkg:pypi/a-one@1.0"] if expected else []) == find_needed([requirement], [Pin("a.one", "1.0")])


def test_components_say_what_they_are() -> None:
    """Sorted by name; an SPDX expression is one, and other words are a name; a marker is kept."""
    marker = {"name": "nats-k8s-oidc-callout:marker", "value": "implementation_name != 'PyPy'"}
    common = {"type": "library"}
    assert make()["components"] == [
        common
        | {
            "bom-ref": "pkg:pypi/a-one@1.0",
            "name": "a.one",
            "version": "1.0",
            "purl": "pkg:pypi/a-one@1.0",
            "licenses": [{"expression": "MIT"}],
        },
        common
        | {
            "bom-ref": "pkg:pypi/b-two@2.0",
            "name": "B_two",
            "version": "2.0",
            "purl": "pkg:pypi/b-two@2.0",
            "licenses": [{"license": {"name": "BSD License"}}],
            "properties": [marker],
        },
    ]


def test_who_needs_whom() -> None:
    """From the product down; everything has its entry."""
    needs = {entry["ref"]: entry["dependsOn"] for entry in make()["dependencies"]}
    assert {
        "pkg:pypi/ours@3": ["pkg:pypi/a-one@1.0"],
        "pkg:pypi/a-one@1.0": ["pkg:pypi/b-two@2.0"],
        "pkg:pypi/b-two@2.0": [],
    } == needs


def test_the_same_is_the_same() -> None:
    """Bytes and serial number; and another version, or another pin, has another serial number."""
    assert make_document(PRODUCT, REQUIREMENTS, FACTS) == make_document(PRODUCT, REQUIREMENTS, FACTS)
    others = (make(), make(REQUIREMENTS.replace("1.0", "1.1")), make(product=Product("ours", "4", "", "MIT", ())))
    assert 3 == len({document["serialNumber"] for document in others})
    assert "timestamp" not in make()["metadata"]
