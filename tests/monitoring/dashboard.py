"""The dashboard of k8s/monitoring/dashboard.json, as the tests and the picture read it."""

import re
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from tests.pages import ROOT

DASHBOARD: Final = ROOT / "k8s/monitoring/dashboard.json"
_LABEL: Final = re.compile(r"\{\{(\w+)\}\}")


class Place(msgspec.Struct, frozen=True):
    """Where a panel stands: on a grid that is 24 columns wide, with rows of 30 pixels."""

    x: int
    y: int
    w: int
    h: int


class Query(msgspec.Struct, frozen=True, rename="camel"):
    """A query of a panel; its legend names labels as `{{label}}`."""

    expr: str
    legend_format: str
    format: Literal["time_series", "heatmap"] = "time_series"

    def fill_in(self, interval: str) -> str:
        """Put in what Grafana puts in: all services, and an interval such as `1m`."""
        return self.expr.replace("$job", ".*").replace("$__rate_interval", interval)

    def legend(self, labels: dict[str, str]) -> str:
        """Name a series by its labels; one that it lacks is empty."""
        return _LABEL.sub(lambda found: labels.get(found[1], ""), self.legend_format).strip()


class Defaults(msgspec.Struct, frozen=True):
    """How values are shown; `custom` is as the kind of panel has it."""

    unit: Literal["none", "s", "reqps", "bytes"]
    custom: dict[str, Any] = {}


class Matcher(msgspec.Struct, frozen=True):
    """Which series an override is for."""

    id: Literal["byName"]
    options: str


class Override(msgspec.Struct, frozen=True):
    """A series that is drawn in another way: dashed, for there is no other."""

    matcher: Matcher


class FieldConfig(msgspec.Struct, frozen=True):
    """As Grafana nests it."""

    defaults: Defaults
    overrides: list[Override]


class Panel(msgspec.Struct, frozen=True, rename="camel"):
    """A panel; what of it only Grafana needs is left out."""

    id: int
    type: Literal["timeseries", "heatmap", "stat"]
    title: str
    grid_pos: Place
    field_config: FieldConfig
    targets: list[Query]
    description: str = ""

    @property
    def unit(self) -> str:
        """What its values are."""
        return self.field_config.defaults.unit

    @property
    def dashed(self) -> set[str]:
        """The series that are drawn so."""
        return {override.matcher.options for override in self.field_config.overrides}

    @property
    def is_stacked(self) -> bool:
        """Tell whether its series stand one upon the other."""
        return "stacking" in self.field_config.defaults.custom

    @property
    def is_logarithmic(self) -> bool:
        """Tell whether its axis is."""
        return "scaleDistribution" in self.field_config.defaults.custom


class Dashboard(msgspec.Struct, frozen=True):
    """The whole file."""

    title: str
    panels: list[Panel]


def read_dashboard(path: Path = DASHBOARD) -> Dashboard:
    """Read it."""
    return msgspec.json.decode(path.read_bytes(), type=Dashboard)
