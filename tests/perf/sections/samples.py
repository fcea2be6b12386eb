"""What scripts have measured, made up; and what stands in the tables that are made of it."""

from collections.abc import Sequence
from typing import Any

from perf import overload, simulate, storm
from perf.generator.answers import Answers
from perf.generator.crowd import Arrival, Outcome

DEPLOYED_CPU = {"generator": 0.25, "others": 0.0, "wall": 1.0}
LOCAL_CPU = {"server": 2.0, "supervisor": 0.125, "workers": 0.5, **DEPLOYED_CPU}
LATENCY = {"count": 9, "p50": 1.5, "p99": 2.5, "p999": 3.5, "longest": 4.5}
LADDER: dict[str, Any] = {
    "decisions": [
        {"algorithm": "RS256", "token": token, "mode": mode, "whole": 100.0, "bare": 80.0}
        for token in ("first seen", "remembered")
        for mode in ("server", "operator")
    ],
    "stages": {
        "take the request apart": 1.0,
        "verify the request's signature": 2.0,
        "take the token apart": 3.0,
        "recall a remembered token": 4.0,
        "look the ServiceAccount up": 5.0,
        "make and sign the user JWT": 6.0,
        "make and sign the response": 7.0,
        "open a sealed request": 1.25,
        "seal an answer": 0.5,
        "verify the token's signature, RS256": 8.0,
    },
    "libraries": {"Ed25519 sign": {"PyNaCl": 20.0, "cryptography": 30.0}},
}
SOAK_ROW = {
    "hours": 0.01,
    "answered": 500,
    "not_let_in": 1,
    "unanswered": 2,
    "reconnects": 3,
    "restarts": 4,
    "warnings": 5,
    "latency_ms": LATENCY,
    "latency_from_due_ms": {**LATENCY, "p99": 3.25},
    "pause_s": 0.25,
}
SLOPES = {"supervisor_mib_per_hour": None, "workers_mib_per_hour": None, "p50_ms_per_hour": None}
"""Of one interval."""


def make_point(series: str, window: int | None = 128, **more: Any) -> dict[str, Any]:
    """A point of `perf.load`: two workers, nobody refused, everything answered."""
    point = {"replicas": 1, "workers": 2, "tokens": "remembered", "window": window, "series": series, "rate": 5000.0}
    counts = {"answered": 9, "allowed": 9, "unanswered": 0, "latency_ms": LATENCY, "sent": 5000.0}
    rounds = {"rates": [5000.0], "p99s": [LATENCY["p99"]], "lost": [0], "generator_behind_ms": LATENCY}
    due = {**LATENCY, "p99": 3.25}
    offered = {"offered": 2500, "latency_from_due_ms": due} if window is None else {}
    costs = {"cpu_us_per_request": LOCAL_CPU, "generator_share": 0.1, "others_share": 0.2}
    return {**point, **counts, **rounds, **offered, **costs, **more}


def make_storm(cpu: dict[str, float], tries: int = 1) -> dict[str, Any]:
    """A row of `perf.storm`, of one round: one client is in, and one is not."""
    outcomes = [Outcome(0.0, 0.5, 1), Outcome(0.0, None, tries)]
    row = {"protocol": "nats", "at_once": 2, **storm.describe(outcomes, Arrival(2, tries=tries), cpu)}
    return {**row, "rates": [row["rate"]], "refusals": [1], "cpu_ratios": [row["service_cpu_by_server"]]}


def make_overload(cpu: dict[str, float]) -> dict[str, Any]:
    """A report of `perf.overload`: of four requests one was late and one not answered; both clients got in."""
    took, sent = [0.25, 0.5, 1.75], [0.0, 0.5, 1.0, 1.5]
    answers = Answers(took, [], 1, wall=2.0, sent=sent, behind=[0.0] * 4, cpu=cpu, from_due=took)
    clients = storm.describe([Outcome(0.0, 0.5, 1), Outcome(0.5, 1.0, 2)], Arrival(2, rate=2.0, tries=30), cpu)
    shares = {"generator_share": 0.1, "others_share": 0.05}
    return {
        "workers": 2,
        "tls": False,
        "sealed": False,
        "straight": {
            "capacity": 4.0,
            "at_capacity": {**shares, "rates": [4.0]},
            "left_out": [],
            "steps": [{"factor": 0.5, **overload.describe(answers, 2.0, 2.0), "goodputs": [1.0]}],
        },
        "end_to_end": {
            "tries": 30,
            "capacity": 1000.0,
            "at_capacity": shares,
            "steps": [{"factor": 3.0, "offered": 2.0, **clients}],
        },
    }


def make_scale(number: int) -> dict[str, Any]:
    """A row of `perf.scale`."""
    return {
        "serviceaccounts": number,
        "seconds_to_ready": 2.0,
        "seconds_from_list_to_ready": 1.0,
        "supervisor_mib": 60.0,
        "worker_mib": 30.0,
        "supervisor_mib_after": 61.0,
        "worker_mib_after": 31.0,
        "snapshot_mib": 5.0,
        "change_ms": {**LATENCY, "from_sending": LATENCY},
        "changes_a_second": 999.5,
        "at_rest": make_point("at rest", rate=6000.0),
        "at_rest_half_load": make_point("half load", None),
        "while_changing": make_point("changing", rate=4000.0),
        "while_changing_half_load": make_point("half load", None),
    }


def make_results() -> dict[str, Any]:
    """The results of a run of everything."""
    return {
        "date": "2026-01-02",
        "machine": {"processor": "a processor", "cores": 2, "system": "a system", "python": "CPython 3.11.2"},
        "ladder": LADDER,
        "load": {
            "in_process": {token: {"whole": 100.0, "bare": 80.0} for token in ("first seen", "remembered")},
            "seconds": 3.0,
            "first_seen": 12_000,
            "points": [make_point("windows")],
        },
        "storm": {"rows": [make_storm(LOCAL_CPU)]},
        "overload": make_overload(LOCAL_CPU),
        "scale": {"churn": 1000, "rows": [make_scale(1000)]},
        "soak": {"rate": 500, "rows": [{**SOAK_ROW, "workers_mib": 30.0}], "slopes": SLOPES},
        "simulate": simulate.reckon(simulate.parse(["--clients=100", "--seconds=30", "--spread=5"])),
    }


def read_table(lines: Sequence[str], first: str) -> list[dict[str, str]]:
    """The rows of the Markdown table whose first column has that head: cells by the heads of their columns."""
    begin = next(number for number, line in enumerate(lines) if line.startswith(f"| {first} |"))
    heads, _, *rows = (line.strip("| ").split(" | ") for line in _take_rows(lines[begin:]))
    return [dict(zip(heads, row, strict=True)) for row in rows]


def _take_rows(lines: Sequence[str]) -> Sequence[str]:
    end = next((number for number, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return lines[:end]
