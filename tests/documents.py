"""The tables of the documentation that are made from the code: `python -m tests.documents` (`make docs`) writes them.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`.
"""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from callout.config.help import markdown_table
from callout.doctor.findings import Check
from callout.http.metrics import MetricsPage
from callout.policy.decision import Rules, decide
from callout.policy.verdict import DropReason
from callout.serviceaccounts import ServiceAccount
from tests.monitoring.alerts import read_alerts
from tests.pages import PAGES
from tests.perf import scaling
from tests.readings import READINGS
from workers.metrics import WorkerMetrics
from workers.reasons import DROP_REASONS, Reason
from workers.user_jwt import ResponsePermission

_TEMPLATE = re.compile(r"\{\{.*?\}\}")
_TABLE = re.compile(r"(<!-- table: ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def defaults() -> str:
    """What every ServiceAccount gets, asked of the policy itself."""
    rules = Rules("nats.io/", shared_inbox=True, response=ResponsePermission(1, 0), account="")
    verdict = decide(ServiceAccount("namespace", "serviceaccount", "", {}), rules)
    rows = ["| side | subject | where it comes from |", "|---|---|---|"]
    for side, granted in (("publish", verdict.pub), ("subscribe", verdict.sub)):
        for entry in granted:
            subject = entry.subject.replace("serviceaccount", "<serviceaccount>").replace("namespace", "<namespace>")
            switch = ", unless `NATS_SHARED_INBOX=false`" if subject == "_INBOX.>" else ""
            rows.append(f"| {side} | `{subject}` | {entry.source}{switch} |")
    return "\n".join(rows) + "\n"


def drop_reasons() -> str:
    """Why entries of annotations are dropped."""
    rows = ["| reason | what was found | what to do |", "|---|---|---|"]
    rows += [f"| `{reason.value}` | {_cell(reason.meaning)} | {_cell(reason.remedy)} |" for reason in DropReason]
    return "\n".join(rows) + "\n"


def reasons() -> str:
    """Why logins are refused."""
    rows = ["| reason | answered | what was found | what to do |", "|---|---|---|---|"]
    for reason in Reason:
        answered = "dropped" if reason in DROP_REASONS else "denied"
        rows.append(f"| `{reason.value}` | {answered} | {_cell(reason.meaning)} | {_cell(reason.remedy)} |")
    return "\n".join(rows) + "\n"


def checks() -> str:
    """What the doctor looks at."""
    rows = ["| check | what is asked | why it matters | needs |", "|---|---|---|---|"]
    rows += [
        f"| {check} | {_cell(check.asks)} | {_cell(check.why)} | {'`--live`' if check.live else ''} |"
        for check in Check
    ]
    return "\n".join(rows) + "\n"


def metrics() -> str:
    """The metrics, read off a page of metrics."""
    with tempfile.TemporaryDirectory() as folder:
        WorkerMetrics(folder, 0)
        _, page = MetricsPage(Path(folder)).render(READINGS)
    rows = ["| metric | labels | what it tells |", "|---|---|---|"]
    for family in sorted(text_string_to_metric_families(page.decode()), key=lambda family: family.name):
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        name = family.name + ("_total" if family.type == "counter" else "")
        rows.append(f"| `{name}` | {', '.join(labels)} | {family.documentation} |")
    return "\n".join(rows) + "\n"


def alerts() -> str:
    """What somebody is told of, and where the runbook goes on."""
    rows = ["| alert | severity | after | what is said |", "|---|---|---|---|"]
    for alert in read_alerts():
        name = f"[{alert.alert}]({Path(alert.annotations.runbook_url).name})"
        said = _cell(_TEMPLATE.sub("…", alert.annotations.summary))
        rows.append(f"| {name} | {alert.labels.severity} | {alert.held or 'at once'} | {said} |")
    return "\n".join(rows) + "\n"


TABLES: dict[str, Callable[[], str]] = {
    "settings": markdown_table,
    "defaults": defaults,
    "drop reasons": drop_reasons,
    "reasons": reasons,
    "metrics": metrics,
    "checks": checks,
    "alerts": alerts,
    **scaling.TABLES,
}


def fill(text: str) -> str:
    """Return a page with its tables as the code has them now."""
    return _TABLE.sub(lambda match: match[1] + TABLES[match[2]]() + match[3], text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "\\<")


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(fill(page.read_text()))
