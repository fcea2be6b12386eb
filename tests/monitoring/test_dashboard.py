"""The dashboard: Grafana's shape, with queries that Prometheus takes and metrics that there are."""

import json
import re
from itertools import combinations
from pathlib import Path

import pytest
import yaml
from prometheus_client.samples import Sample

from tests.documents import metrics
from tests.monitoring.dashboard import DASHBOARD, Panel, Query, read_dashboard
from tests.monitoring.metrics_page import read_selectors, render_page
from tests.monitoring.programs import run_promtool

COLUMNS = 24
PANELS = read_dashboard().panels
each_panel = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """The samples of a page of /metrics."""
    return list(render_page(tmp_path_factory.mktemp("metrics")))


@each_panel
def test_what_a_panel_asks_for_is_on_the_page(panel: Panel, page: list[Sample]) -> None:
    """A metric or a reason that has another name by now would leave it empty."""
    selectors = [selector for query in panel.targets for selector in read_selectors(query.expr)]
    asked = [*selectors, *(one for selector in selectors for one in selector.alternatives())]
    assert asked
    assert [] == [one for one in asked if not any(one.selects(sample) for sample in page)]


@each_panel
def test_a_panel_can_be_cut_down_to_one_service(panel: Panel) -> None:
    """Every selector goes by the variable, or one service's panel would hold another's numbers."""
    selectors = [selector for query in panel.targets for selector in read_selectors(query.expr)]
    assert [] == [one for one in selectors if ("job", "=~", "$job") not in one.matchers]


def test_promtool_takes_the_queries(tmp_path: Path) -> None:
    """As rules that record them, which is the only form that it reads queries in."""
    queries = [query.fill_in("1m") for panel in PANELS for query in panel.targets]
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries)]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = run_promtool("check", "rules", path)
    assert (0, "") == (done.returncode, done.stderr)
    assert not [query for query in queries if "$" in query]


def test_every_metric_is_shown() -> None:
    """But the version, and what only says that something has changed."""
    documented = set(re.findall(r"^\| `(\w+)`", metrics(), re.MULTILINE))
    asked = {selector.name for panel in PANELS for query in panel.targets for selector in read_selectors(query.expr)}
    shown = {name.removesuffix("_bucket") for name in asked}
    assert {"nats_auth_build", "nats_auth_ready", "nats_auth_snapshot_generation"} == documented - shown


def test_no_panel_covers_another() -> None:
    """Grafana would push it down, and the picture in the documentation would differ."""

    def cells(panel: Panel) -> set[tuple[int, int]]:
        place = panel.grid_pos
        return {(x, y) for x in range(place.x, place.x + place.w) for y in range(place.y, place.y + place.h)}

    assert [] == [(a.title, b.title) for a, b in combinations(PANELS, 2) if cells(a) & cells(b)]
    assert all(panel.grid_pos.x + panel.grid_pos.w <= COLUMNS for panel in PANELS)


def test_panels_and_queries_can_be_told_apart() -> None:
    """Ids are unique, and so are the letters of a panel's queries."""
    assert len(PANELS) == len({panel.id for panel in PANELS})
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        letters = [target["refId"] for target in panel["targets"]]
        assert sorted(set(letters)) == letters


def test_the_file_is_as_a_program_writes_it() -> None:
    """So a dashboard that was changed in Grafana and exported shows as that change alone."""
    assert DASHBOARD.read_text() == json.dumps(json.loads(DASHBOARD.read_text()), indent=2) + "\n"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [({"result": "denied", "reason": "token_expired"}, "denied token_expired"), ({"result": "allowed"}, "allowed")],
)
def test_a_legend_is_made_of_labels(labels: dict[str, str], expected: str) -> None:
    """One that a series lacks is empty, as in Grafana."""
    assert expected == Query("x", "{{result}} {{reason}}").legend(labels)


def test_variables_are_filled_in() -> None:
    """As Grafana does it, for all services."""
    query = Query('rate(x{job=~"$job"}[$__rate_interval])', "")
    assert 'rate(x{job=~".*"}[1m])' == query.fill_in("1m")
