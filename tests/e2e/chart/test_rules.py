"""The rules for alerts, where one ruler has the metrics of many clusters: each release brings those for its own."""

import json
import re
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from tests.e2e.chart.helm import Helm, find
from tests.e2e.chart.rendering import render
from tests.monitoring.alerts import RuleFile, read_alerts
from tests.monitoring.metrics_page import read_selectors
from tests.monitoring.programs import run_promtool

LABEL: Final = "site"
FIRING: Final = {"paris": set[str](), "berlin": {"NatsCalloutNoWorker"}, "tokyo": {"NatsCalloutGone"}}
"""What fires of which cluster's rules: in Paris all is well, Berlin has no worker, and Tokyo has no service."""
SERIES: Final = [
    {"series": f'nats_auth_ready{{job="callout", {LABEL}="paris", instance="a"}}', "values": "1x20"},
    {"series": f'nats_auth_ready{{job="callout", {LABEL}="berlin", instance="a"}}', "values": "1x20"},
    {"series": f'nats_auth_workers{{job="callout", {LABEL}="paris", state="serving"}}', "values": "2x20"},
    {"series": f'nats_auth_workers{{job="callout", {LABEL}="berlin", state="serving"}}', "values": "0x20"},
]
_GROUPING = re.compile(r"\b(?:by|on) \(([^)]*)\)")


def render_rules(helm: Helm, folder: Path, cluster: str) -> dict[str, Any]:
    """The rules that a release brings, of which that name is said."""
    values = {"enabled": True, "cluster": cluster, "clusterLabel": LABEL}
    objects = render(helm, folder, "server-mode", {"metrics": {"prometheusRule": values}})
    spec: dict[str, Any] = find(objects, "PrometheusRule")["spec"]
    return spec


def test_each_metric_is_asked_of_this_cluster_and_each_sum_keeps_its_name(helm: Helm, tmp_path: Path) -> None:
    """And no more: without the label they are the rules of the file."""
    own = msgspec.convert(render_rules(helm, tmp_path, "paris"), RuleFile).groups[0].rules
    matcher = (LABEL, "=", "paris")
    for rule in own:
        selectors = read_selectors(rule.expr)
        assert selectors
        assert [] == [one for one in selectors if matcher not in one.matchers]
        assert [] == [labels for labels in _GROUPING.findall(rule.expr) if LABEL not in labels.split(", ")]
    written = f'{LABEL}="paris"'
    exprs = [one.expr.replace(f"{{{written}}}", "").replace(f"{written},", "").replace(f", {LABEL}", "") for one in own]
    assert exprs == [rule.expr for rule in read_alerts()]
    assert [(rule.alert, rule.held, rule.labels, rule.annotations) for rule in read_alerts()] == [
        (rule.alert, rule.held, rule.labels, rule.annotations) for rule in own
    ]


@pytest.mark.parametrize("cluster", FIRING)
def test_what_is_well_in_one_cluster_hides_nothing_of_another(helm: Helm, tmp_path: Path, cluster: str) -> None:
    """One Prometheus has the series of all; an alert is of the cluster whose rules they are, and says which."""
    spec = render_rules(helm, tmp_path, cluster)
    (tmp_path / "alerts.yaml").write_text(json.dumps(spec))
    checked = run_promtool("check", "rules", "--lint-fatal", tmp_path / "alerts.yaml")
    assert (0, "") == (checked.returncode, checked.stderr)
    tests = [ask(rule, fires=rule["alert"] in FIRING[cluster], cluster=cluster) for rule in spec["groups"][0]["rules"]]
    case = {"interval": "1m", "input_series": SERIES, "alert_rule_test": tests}
    (tmp_path / "cases.yaml").write_text(
        json.dumps({"rule_files": ["alerts.yaml"], "evaluation_interval": "1m", "tests": [case]})
    )
    done = run_promtool("test", "rules", tmp_path / "cases.yaml")
    assert (0, "") == (done.returncode, done.stdout.partition("FAILED")[2] + done.stderr)


def ask(rule: dict[str, Any], *, fires: bool, cluster: str) -> dict[str, Any]:
    """What promtool is to expect of a rule after ten minutes."""
    job = {} if rule["expr"].startswith("absent") else {"job": "callout"}
    alert = {
        "exp_labels": {LABEL: cluster, **job, **rule["labels"]},
        "exp_annotations": rule["annotations"]
        | {"summary": rule["annotations"]["summary"].replace("{{ $labels.job }}", "callout")},
    }
    return {"eval_time": "10m", "alertname": rule["alert"], "exp_alerts": [alert] if fires else []}
