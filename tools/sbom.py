"""A release's bill of materials, in CycloneDX 1.6 (cyclonedx.org/docs/1.6/json): what is in the image besides Python.

Rules kept here:
- Pure: texts in, bytes out. The same inputs make the same bytes, so there is no time in it, and the serial number is
  derived from all the rest.
- Listed is what requirements.txt pins, neither more nor less: that file decides what is installed.
- A pin has a hash for every platform's wheel, so no component has one hash; the digest of the whole file stands there.
- Which component needs which is taken from what each says of itself, for all platforms and without extras.
"""

import hashlib
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

SPECIFICATION: Final = "1.6"
PROPERTY: Final = "nats-k8s-oidc-callout:"
"""What the names of our properties begin with, as CycloneDX's property taxonomy asks for."""
_PIN: Final = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^\s;]+)(?: ; (?P<marker>.+?))? \\")
_HASH: Final = re.compile(r" {4}--hash=sha256:[0-9a-f]{64}(?: \\)?")
_NEEDED: Final = re.compile(r"\s*(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?P<rest>.*)", re.DOTALL)
_EXTRA: Final = re.compile(r";.*\bextra\b\s*==")
_SEPARATORS: Final = re.compile(r"[-_.]+")


class Pin(msgspec.Struct, frozen=True):
    """A line of requirements.txt; `marker` says on which platforms it is installed, "" for all."""

    name: str
    version: str
    marker: str = ""

    @property
    def purl(self) -> str:
        """Its package URL, which is also its reference in the document."""
        return f"pkg:pypi/{normalize(self.name)}@{self.version}"


class Facts(msgspec.Struct, frozen=True):
    """What a package says of itself.

    Attributes:
        licence: an SPDX expression, or its own words; "" if it says nothing.
        is_expression: whether it is the former.
        requires: its `Requires-Dist`.
    """

    licence: str
    is_expression: bool
    requires: tuple[str, ...]


class Product(msgspec.Struct, frozen=True):
    """What the document is about: our distribution, and what pyproject.toml lists as its dependencies."""

    name: str
    version: str
    description: str
    licence: str
    requires: tuple[str, ...]


def normalize(name: str) -> str:
    """Write a project's name in the one way that all spellings share (packaging.python.org, name normalization)."""
    return _SEPARATORS.sub("-", name).lower()


def read_pins(requirements: str) -> list[Pin]:
    """Read requirements.txt as `make lock` writes it; `ValueError` for a line that is no pin with hashes."""
    pins: list[Pin] = []
    hashed = True
    for number, line in enumerate(requirements.splitlines(), 1):
        if line.startswith("#"):
            continue
        found = _PIN.fullmatch(line)
        if found and hashed:
            pins.append(Pin(found["name"], found["version"], found["marker"] or ""))
            hashed = False
        elif _HASH.fullmatch(line) and pins:
            hashed = True
        else:
            raise ValueError(f"line {number} is neither a pin nor a hash: {line!r}")
    if not hashed:
        raise ValueError(f"{pins[-1].name} has no hash")
    return pins


def find_needed(requires: Iterable[str], pins: Iterable[Pin]) -> list[str]:
    """The package URLs of those pins that a package needs; what only an extra needs does not count."""
    known = {normalize(pin.name): pin.purl for pin in pins}
    names = {
        normalize(found["name"])
        for text in requires
        if (found := _NEEDED.match(text)) and not _EXTRA.search(found["rest"])
    }
    return sorted(known[name] for name in names & known.keys())


def make_document(product: Product, requirements: str, facts: Mapping[str, Facts]) -> bytes:
    """Make the document.

    Args:
        product: what it is about.
        requirements: the text of requirements.txt.
        facts: what each pinned package says of itself, by its normalized name.
    """
    pins = sorted(read_pins(requirements), key=lambda pin: normalize(pin.name))
    own = f"pkg:pypi/{product.name}@{product.version}"
    needs = {own: find_needed(product.requires, pins)}
    needs |= {pin.purl: find_needed(facts[normalize(pin.name)].requires, pins) for pin in pins}
    document: dict[str, Any] = {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPECIFICATION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": product.name,
                "version": product.version,
                "description": product.description,
                "licenses": [{"expression": product.licence}],
                "purl": own,
            },
            "properties": [
                {
                    "name": f"{PROPERTY}requirements:sha256",
                    "value": hashlib.sha256(requirements.encode()).hexdigest(),
                }
            ],
        },
        "components": [_describe(pin, facts[normalize(pin.name)]) for pin in pins],
        "dependencies": [{"ref": ref, "dependsOn": needed} for ref, needed in needs.items()],
    }
    content = hashlib.sha256(_encode(document)).hexdigest()
    serial = uuid.uuid5(uuid.NAMESPACE_URL, f"{own}#{content}")
    return _encode(document | {"serialNumber": f"urn:uuid:{serial}"})


def _describe(pin: Pin, facts: Facts) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": pin.purl,
        "name": pin.name,
        "version": pin.version,
        "purl": pin.purl,
    }
    if facts.licence:
        said = {"expression": facts.licence} if facts.is_expression else {"license": {"name": facts.licence}}
        component["licenses"] = [said]
    if pin.marker:
        component["properties"] = [{"name": f"{PROPERTY}marker", "value": pin.marker}]
    return component


def _encode(document: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2) + b"\n"
