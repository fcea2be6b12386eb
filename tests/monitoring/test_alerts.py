"""The alerts: promtool takes them, each fires when it should and not when it should not, and leads to its help."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from prometheus_client.samples import Sample

from tests.commands import BASH, run
from tests.monitoring.alerts import ALERTS, Alert, read_alerts
from tests.monitoring.metrics_page import read_selectors, render_page
from tests.monitoring.programs import run_promtool
from tests.pages import ROOT, blocks
from workers.reasons import SETUP_REASONS, Reason

CASES = Path(__file__).parent / "cases"
RUNBOOK = ROOT / "docs/runbook.md"
MONITORING = ROOT / "docs/monitoring.md"
MANY_CLUSTERS = """
rule_files: [alerts.yaml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'nats_auth_ready{job="callout", cluster="paris", instance="a"}', values: 1x20}
      - {series: 'nats_auth_workers{job="callout", cluster="paris", instance="a", state="serving"}', values: 2x20}
      - {series: 'nats_auth_workers{job="callout", cluster="berlin", instance="a", state="serving"}', values: 0x20}
    alert_rule_test:
      - eval_time: 10m
        alertname: NatsCalloutGone
        exp_alerts:
          - exp_labels: {cluster: tokyo, severity: critical}
            exp_annotations:
              summary: "Prometheus has no metrics of the callout; if it is down, nobody can log in"
              runbook_url: docs/runbook.md#natscalloutgone
      - eval_time: 10m
        alertname: NatsCalloutNoWorker
        exp_alerts:
          - exp_labels: {cluster: berlin, job: callout, severity: critical}
            exp_annotations:
              summary: "No worker of callout is subscribed, so every login is refused after two seconds"
              runbook_url: docs/runbook.md#natscalloutnoworker
"""
UNTOLD = ("Logins that nobody decides", "Emergencies")
"""What it has after the alerts."""
SERVERS_WORDS = {
    *("Authorization Violation", "Auth callout service returned an error", "authentication error"),
    *("Permissions Violation", "Readloop processing time", "Stale Connection"),
}
"""What nats-server says, and not the program."""
FILES = {
    *("alerts.yaml", "ca.key", "callout.creds", "cpu.stat", "nack.creds", "nack.nk"),
    *("perf.creds", "perf.login", "signing.key", "sys.creds", "test_leaked_seeds.py", "test_leaked_system_user.py"),
    "tls.key",
}
"""What it names that looks like a value of the chart."""
HELP = ("What it means", "What users notice", "What to look at", "What mends it")
"""What the runbook says of each."""
COMMANDS = ("callout ", "helm ", "kubectl ", "nats ", "nsc ")
_PHRASE = re.compile(r"`([a-zA-Z;]+(?: [a-zA-Z;]+)+)`")

each_alert = pytest.mark.parametrize("alert", read_alerts(), ids=lambda alert: alert.alert)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """The samples of a page of /metrics."""
    return list(render_page(tmp_path_factory.mktemp("metrics")))


def read_cases(alert: Alert) -> list[dict[str, Any]]:
    """The cases of an alert, as promtool's rule unit tests have them."""
    cases: list[dict[str, Any]] = yaml.safe_load((CASES / f"{alert.alert}.yaml").read_text())["tests"]
    return cases


def section(alert: Alert) -> str:
    """What the runbook says of an alert; `AssertionError` if its heading is missing."""
    _, found, after = RUNBOOK.read_text().partition(f"\n## {alert.alert}\n")
    assert found, f"docs/runbook.md has no heading {alert.alert}"
    return after.partition("\n## ")[0]


def test_promtool_takes_the_rules() -> None:
    """A file with a mistake would keep Prometheus from starting."""
    done = run_promtool("check", "rules", "--lint-fatal", ALERTS)
    assert (0, "") == (done.returncode, done.stderr)


@each_alert
def test_an_alert_fires_when_it_should_and_not_otherwise(alert: Alert) -> None:
    """Each case is a series as Prometheus would have recorded it, and what comes of it."""
    done = run_promtool("test", "rules", CASES / f"{alert.alert}.yaml")
    assert (0, "") == (done.returncode, done.stdout.partition("FAILED")[2] + done.stderr)


@each_alert
def test_an_alert_has_cases_of_both_kinds(alert: Alert) -> None:
    """One that never fires, or always does, would pass half of them."""
    expected = [rule for case in read_cases(alert) for rule in case["alert_rule_test"]]
    assert {alert.alert} == {rule["alertname"] for rule in expected}
    assert {True, False} == {bool(rule["exp_alerts"]) for rule in expected}


def test_cases_are_those_of_the_alerts() -> None:
    """None is left over from an alert that is no more."""
    assert sorted(alert.alert for alert in read_alerts()) == sorted(path.stem for path in CASES.glob("*"))


def test_a_rule_that_never_fires_fails_its_cases(tmp_path: Path) -> None:
    """What the cases say is really asked: with a threshold that is never reached they do not pass."""
    [gone, *_] = read_alerts()
    (tmp_path / "alerts.yaml").write_text(ALERTS.read_text().replace(gone.expr, f"{gone.expr} > 1", 1))
    cases = (CASES / f"{gone.alert}.yaml").read_text().replace(f"../../../{ALERTS.relative_to(ROOT)}", "alerts.yaml")
    (tmp_path / "cases.yaml").write_text(cases)
    assert {gone.alert} == find_failures(tmp_path / "cases.yaml")


@each_alert
def test_what_an_alert_asks_for_is_on_the_page(alert: Alert, page: list[Sample]) -> None:
    """A metric, a state or a reason that has another name by now would silence it."""
    selectors = read_selectors(alert.expr)
    asked = [*selectors, *(one for selector in selectors for one in selector.alternatives())]
    assert asked
    assert [] == [one for one in asked if not any(one.selects(sample) for sample in page)]


@each_alert
def test_an_alert_leads_to_its_place_in_the_runbook(alert: Alert) -> None:
    """The heading is the alert's name, and below it stands what whoever is woken needs to know."""
    assert f"{RUNBOOK.relative_to(ROOT)}#{alert.alert.lower()}" == alert.annotations.runbook_url
    assert [] == [word for word in HELP if f"\n**{word}.** " not in section(alert)]


@pytest.mark.parametrize("name", ["NatsCalloutAllMisconfigured", "NatsCalloutMisconfigured"])
def test_a_wrong_set_up_is_told_of_for_what_no_client_brings_about(name: str) -> None:
    """As the worker's own warning is; what is sealed for another key is dropped, and another line of the log."""
    (alert,) = (one for one in read_alerts(ALERTS) if one.alert == name)
    (reasons,) = re.findall(r'reason=~"([a-z_|]+)"', alert.expr)
    assert {*SETUP_REASONS, Reason.REQUEST_UNREADABLE} == set(reasons.split("|"))


def test_the_runbook_has_no_other_alerts() -> None:
    """What it describes exists, and stands there in the rules' order, before what no alert tells of."""
    headings = [line.removeprefix("## ") for line in RUNBOOK.read_text().splitlines() if line.startswith("## ")]
    assert [*(alert.alert for alert in read_alerts()), *UNTOLD] == headings


def test_rules_for_many_clusters_tell_them_apart(tmp_path: Path) -> None:
    """As the page makes them: what is well in one cluster hides nothing that is wrong, or missing, in another."""
    [block] = (one for one in blocks(MONITORING.read_text()) if "for cluster in paris tokyo" in one.commands)
    (tmp_path / "k8s").symlink_to(ROOT / "k8s")
    run([*BASH, block.commands], cwd=tmp_path)
    (tmp_path / "cases.yaml").write_text(MANY_CLUSTERS)
    checked = run_promtool("check", "rules", "--lint-fatal", tmp_path / "alerts.yaml")
    done = run_promtool("test", "rules", tmp_path / "cases.yaml")
    assert ((0, ""), (0, "")) == (
        (checked.returncode, checked.stderr),
        (done.returncode, done.stdout.partition("FAILED")[2] + done.stderr),
    )
    assert {"NatsCalloutGone", "NatsCalloutNoWorker"} == find_failures(use(ALERTS, tmp_path / "cases.yaml"))


def find_failures(cases: Path) -> set[str]:
    """The alerts with cases that are not as the rules have it; without its rules all would fail."""
    done = run_promtool("test", "rules", cases)
    said = done.stdout + done.stderr
    assert "no file match" not in said
    return set(re.findall(r"^ *alertname: (\w+), time: ", said, re.MULTILINE))


def use(rules: Path, cases: Path) -> Path:
    """Ask the same of other rules."""
    other = cases.with_name("other.yaml")
    other.write_text(cases.read_text().replace("alerts.yaml", str(rules)))
    return other


def test_severities_are_the_two_that_are_explained() -> None:
    """Routes of Alertmanager go by them."""
    assert {"critical", "warning"} == {alert.labels.severity for alert in read_alerts()}


def test_the_order_is_that_of_urgency() -> None:
    """What keeps everybody out stands first."""
    severities = [alert.labels.severity for alert in read_alerts()]
    assert sorted(severities) == severities


def test_alerts_survive_being_read() -> None:
    """What the tests know of the file is all that there is in it."""
    written = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
    assert written == [{k: v for k, v in msgspec.to_builtins(a).items() if v != ""} for a in read_alerts()]


def test_what_the_runbook_says_is_said_by_the_program() -> None:
    """Whoever searches a log for a line of the runbook finds it, and so it is with what a page says is missing."""
    phrases = set(_PHRASE.findall(RUNBOOK.read_text())) - SERVERS_WORDS
    spoken = {phrase for phrase in phrases if not phrase.startswith(COMMANDS)}
    code = "".join(path.read_text() for package in ("callout", "workers") for path in (ROOT / package).rglob("*.py"))
    assert spoken
    assert set() == {phrase for phrase in spoken if f'"{phrase}"' not in code}


def test_reasons_of_the_runbook_exist() -> None:
    """A reason that was given another name is one that nobody will look for."""
    named = set(re.findall(r"`((?:internal|request|serviceaccount|token)_\w+)`", RUNBOOK.read_text()))
    assert named
    assert set() == named - set(Reason)


@pytest.mark.parametrize("page", [RUNBOOK, RUNBOOK.with_name("monitoring.md")], ids=lambda page: page.name)
def test_values_of_the_chart_that_are_named_exist(page: Path) -> None:
    """What is to be set can be set; `resources` is Kubernetes' own."""
    values = yaml.safe_load((ROOT / "k8s/chart/values.yaml").read_text())
    dotted = set(re.findall(r"`([a-z]\w+(?:\.\w+)+)`|--set ([a-z]\w+(?:\.\w+)+)=", page.read_text()))
    named = {one or other for one, other in dotted} - FILES

    def exists(name: str) -> bool:
        found = values
        for word in name.split("."):
            if not isinstance(found, dict) or word not in found:
                return False
            found = found[word]
        return True

    assert named
    assert set() == {name for name in named if not name.startswith("resources.") and not exists(name)}
