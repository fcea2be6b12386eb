"""Documents written as YAML that people read: in the order given, texts of several lines as blocks, nothing folded.

Rules kept here:
- A text stays a text for every reader: what another one takes for a number or a truth value stands in quotes. Helm and
  kubectl read YAML with go-yaml, for which `y` is true and `1e3` a number (its `resolve.go`); PyYAML's rules differ.
"""

import re
from typing import Final

import yaml

_READ_OTHERWISE: Final = re.compile(r"[yYnN]|[-+]?[0-9.]+[eE][-+]?[0-9]+|[-+]?0[obx][0-9a-fA-F]+")
_WIDTH: Final = 1 << 20  # characters: a JWT stays on one line


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks."""


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else '"' if _READ_OTHERWISE.fullmatch(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent)


def render_yaml(document: object) -> str:
    """Write one document, with a line end after it."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=_WIDTH)
