"""What a query asks for, held against a page of /metrics."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from callout.http.metrics import MetricsPage
from tests.readings import READINGS
from workers.metrics import WorkerMetrics

TARGET_LABELS = frozenset({"job", "namespace", "instance"})
"""Those that Prometheus adds to what it reads."""
_SELECTOR = re.compile(r"\b(nats_auth_\w+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')


class Selector(msgspec.Struct, frozen=True):
    """The name of a metric, and its matchers: label, operator, value."""

    name: str
    matchers: tuple[tuple[str, str, str], ...] = ()

    def selects(self, sample: Sample) -> bool:
        """Tell whether it selects this sample of a page, whose target has every label that is asked for."""
        return self.name == sample.name and all(
            label in TARGET_LABELS or _matches(sample.labels.get(label, ""), operator, value)
            for label, operator, value in self.matchers
        )

    def alternatives(self) -> Iterator["Selector"]:
        """Yield one for each value that a regular expression lists, so that every one of them has to be there."""
        for label, operator, value in self.matchers:
            if operator in {"=~", "!~"} and label not in TARGET_LABELS:
                for one in value.split("|"):
                    yield Selector(self.name, ((label, "=", one),))


def read_selectors(query: str) -> list[Selector]:
    """Find all of them in a query."""
    return [Selector(name, tuple(_MATCHER.findall(matchers))) for name, matchers in _SELECTOR.findall(query)]


def render_page(folder: Path) -> Sequence[Sample]:
    """The samples of a page, of a service with one worker that has done nothing yet."""
    WorkerMetrics(str(folder), 0)
    _, page = MetricsPage(folder).render(READINGS)
    return [sample for family in text_string_to_metric_families(page.decode()) for sample in family.samples]


def _matches(found: str, operator: str, value: str) -> bool:
    is_same = re.fullmatch(value, found) is not None if "~" in operator else value == found
    return is_same != operator.startswith("!")
