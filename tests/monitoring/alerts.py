"""The alerts of k8s/monitoring/alerts.yaml, as the tests and the documentation read them."""

from pathlib import Path
from typing import Final

import msgspec
import yaml

from tests.pages import ROOT

ALERTS: Final = ROOT / "k8s/monitoring/alerts.yaml"


class Annotations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What people are told: templates of Prometheus, and the path of a heading."""

    summary: str
    runbook_url: str


class Labels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the alert adds to the labels of its series."""

    severity: str


class Alert(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule.

    Attributes:
        alert: its name.
        expr: the query whose every series is an alert.
        held: for how long that must be so.
    """

    alert: str
    expr: str
    labels: Labels
    annotations: Annotations
    held: str = msgspec.field(name="for", default="")


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules that are evaluated together."""

    name: str
    rules: list[Alert]


class RuleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    groups: list[Group]


def read_alerts(path: Path = ALERTS) -> list[Alert]:
    """Read them, in their order."""
    file = msgspec.convert(yaml.safe_load(path.read_text()), RuleFile)
    return [alert for group in file.groups for alert in group.rules]
