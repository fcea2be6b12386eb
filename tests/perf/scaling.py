"""The tables of docs/scaling.md: reckoned from the published figures, and beside them where something was measured.

Source: docs/performance-figures.json, which `python -m perf.report --publish` writes; `python -m tests.documents` puts
these tables into the page then.

Rules kept here:
- Every factor of what is reckoned stands in the table, as it was measured and before it is rounded further.
- What is foretold comes from one measurement and is compared with another: CPU for a request times requests a second
  gives the cores back that were there, whatever they are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from math import ceil
from typing import Any, Final

import msgspec

from perf.cases import FIRST_SEEN
from perf.figures.processes import OURSELVES, SERVER, SUPERVISOR, WORKERS
from perf.figures.summary import MICROSECONDS
from perf.figures.tables import markdown_table
from perf.generator.crowd import TIMEOUT_S
from perf.sections.overload import find_sent_factor
from perf.sections.simulate import COURSES, list_courses
from perf.sections.storm import name_protocol
from perf.simulate import HOUR_S, Fleet, parse, reckon, run
from tests.pages import ROOT
from workers.server import IN_TURN_S

FIGURES: Final = ROOT / "docs/performance-figures.json"
CLIENTS: Final = 50_000
SERVERS: Final = 3
TOKEN_S: Final = 3600
"""What `expirationSeconds` asks for in the examples."""
RENEWED_AT: Final = 0.8
"""The share of a token's life after which the kubelet renews it (`pkg/kubelet/token/token_manager.go`)."""
SERVER_S: Final = 2
"""That nats-server waits for a decision."""
TOGETHER: Final = (SERVER, SUPERVISOR, WORKERS, OURSELVES)
"""What was measured together on the same cores."""
CLEAR: Final = "nats"
"""How storms in the clear are called (`perf.sections.storm.name_protocol`)."""
ENCRYPTED: Final = {"nats, xkey": "the same with an xkey", "nats, TLS, xkey": "the same with TLS and an xkey"}
"""What the examples have: storms, and how the page calls them."""
LIMIT_S: Final = 60
"""That an overload is followed for."""

Point = Mapping[str, Any]


class Need(msgspec.Struct, frozen=True):
    """What the large cluster of the page needs.

    Attributes:
        logins: a second, on a normal day.
        back: clients that come back at once when a server restarts.
        decisions: a second, if nobody of them is to be refused.
        service: cores, by the least and by the most that a worker takes for a decision.
        servers: cores of the nats-servers that are left, in the same way.
    """

    logins: float
    back: float
    decisions: float
    service: tuple[float, float]
    servers: tuple[float, float]


@cache
def read_figures() -> dict[str, Any]:
    """Read what is published."""
    return msgspec.json.decode(FIGURES.read_bytes(), type=dict[str, Any])


def find_need() -> Need:
    """Reckon what the large cluster needs."""
    back = _round(CLIENTS / SERVERS)
    decisions = _round(back / IN_TURN_S)
    workers, servers = _find_first_seen(), find_connections()
    return Need(
        logins=CLIENTS / (TOKEN_S * RENEWED_AT),
        back=back,
        decisions=decisions,
        service=(decisions * workers[0] / MICROSECONDS, decisions * workers[1] / MICROSECONDS),
        servers=(back / SERVER_S * servers[0] / 1000, back / SERVER_S * servers[1] / 1000),
    )


def worked_out() -> str:
    """The large cluster's logins, and the cores that they take."""
    need = find_need()
    (alone, beside), (fewest, longest) = _find_first_seen(), find_connections()
    life = TOKEN_S * RENEWED_AT
    rows = [
        ("logins on a normal day", f"{CLIENTS:,} ÷ {life:,.0f} s, one for each token", f"{need.logins:.0f} a second"),
        (
            f"decisions, if nobody of the {need.back:,.0f} is to be refused",
            f"{need.back:,.0f} ÷ {IN_TURN_S} s",
            f"{need.decisions:,.0f} a second",
        ),
        (
            "cores for the service, if its workers have them to themselves",
            f"{need.decisions:,.0f} decisions of {alone:.0f} µs (one worker, first seen, 128 in flight)",
            f"{need.service[0]:.1f}",
        ),
        (
            "the same, if they share them with nats-server",
            f"{need.decisions:,.0f} decisions of {beside:.0f} µs (two workers, first seen, 128 in flight)",
            f"{need.service[1]:.1f}",
        ),
        (
            "cores for the nats-servers that are left",
            f"{need.back:,.0f} ÷ {SERVER_S} s, connections of {_say_span(fewest, longest, 2)} ms (storms over NATS)",
            f"{_say_span(*need.servers, 1)}, in the clear",
        ),
        *((said, *_work_out(need.back, storms)) for storms, said in ENCRYPTED.items()),
    ]
    return _write(("what", "reckoned", "so"), rows)


def cores() -> str:
    """Where the CPU went while replicas were measured."""
    columns = {WORKERS: "worker µs", SUPERVISOR: "supervisor µs", SERVER: "server µs", OURSELVES: "generator µs"}
    heads = ("replicas of one worker", "decisions/s", *columns.values(), "together", "cores", "of these the workers")
    rows = []
    for point in _list_replicas():
        cpu, together = point["cpu_us_per_request"], _sum_cpu(point)
        rows.append(
            (
                f"{point['replicas']}, {_say_load(point)}",
                round(point["rate"]),
                *(f"{cpu[name]:.1f}" for name in columns),
                f"{together:.1f}",
                f"{point['rate'] * together / MICROSECONDS:.2f}",
                f"{point['rate'] * cpu[WORKERS] / MICROSECONDS:.2f}",
            )
        )
    return _write(heads, rows)


def foretold() -> str:
    """What one measurement foretells of another, beside that."""
    heads = ("what", "foretold by", "reckoned", "measured", "measured ÷ reckoned")
    return _write(heads, [*_foretell_replicas(), *_foretell_storms()])


def overload() -> str:
    """An overload as `perf.simulate` reckons it, beside what `perf.overload` has measured of clients that wait 2 s."""
    heads = (
        "times capacity",
        "sent",
        "reckoned: seconds until all are in",
        "measured",
        "reckoned: tries for each client",
        "measured",
    )
    measured = read_figures()["overload"]["end_to_end"]
    rows = []
    for step in measured["steps"]:
        sent = find_sent_factor(step)
        if step["tries_at_most"] == 1 or step["timeout_s"] != TIMEOUT_S or sent is None:
            continue
        seconds, tries = reckon_overload(step["clients"], measured["capacity"], sent)
        found = step["tries"] / step["clients"]
        rows.append(
            (step["factor"], f"{sent:.1f}", seconds, step["seconds_until_all_in"], f"{tries:.2f}", f"{found:.2f}")
        )
    return _write(heads, rows)


def reckon_overload(clients: int, capacity: float, factor: float) -> tuple[int, float]:
    """Reckon in whole seconds when all are in, and how often each tries."""
    limit = ceil(LIMIT_S + clients / (min(factor, 1) * capacity))
    fleet = Fleet(
        clients=clients,
        ttl=limit * 2,  # nobody's login ends meanwhile
        jitter=0.0,
        capacity=capacity,
        spread=max(round(clients / (factor * capacity)), 1),
        servers=1,
        restarts_at=-1,
        restart_every=1,
        leaving=1,
    )
    course = run(fleet, limit)
    seconds = next(second for second, inside in enumerate(course.connected, 1) if round(inside) >= clients)
    return seconds, sum(course.asking) / clients


def hour() -> str:
    """The simulated hour, with logins of the length that is plotted and of the default one."""
    options = parse([])
    heads = ("logins of", *(column.head for column in COURSES))
    rows = [
        (f"{ttl:,} s", *(column.find(course) for column in COURSES))
        for ttl in (options.ttl, HOUR_S)
        for course in list_courses(reckon(parse([f"--ttl={ttl}"])))
    ]
    return _write(heads, rows)


TABLES: Final[dict[str, Callable[[], str]]] = {
    "scaling worked out": worked_out,
    "scaling cores": cores,
    "scaling foretold": foretold,
    "scaling overload": overload,
    "scaling hour": hour,
}


def _foretell_replicas() -> Iterator[tuple[object, ...]]:
    alone, *more = (point for point in _list_replicas() if point["window"])
    together, there = _sum_cpu(alone), read_figures()["machine"]["cores"]
    for point in more:
        reckoned = min(there * MICROSECONDS / together, point["replicas"] * alone["rate"])
        yield (
            f"{point['replicas']} replicas of one worker, decisions/s",
            f"1 replica: {there} cores ÷ {together:.1f} µs",
            *_compare(reckoned, point["rate"]),
        )


def _foretell_storms() -> Iterator[tuple[object, ...]]:
    storms = {(row["workers"], row["at_once"]): row for row in reversed(list_storms())}
    there = read_figures()["machine"]["cores"]
    pairs = (((1, 100), (2, 100)), ((2, 100), (2, 4000)))  # workers, clients at once
    for known, other in pairs:
        together = sum(storms[known]["cpu_s"][name] for name in TOGETHER) / storms[known]["admitted"] * 1000
        yield (
            f"storm, {_say_storm(*other)}, connections/s",
            f"{_say_storm(*known)}: {there} cores ÷ {together:.3f} ms",
            *_compare(there * 1000 / together, storms[other]["rate"]),
        )


def _compare(reckoned: float, measured: float) -> tuple[object, ...]:
    return round(reckoned), round(measured), f"{measured / reckoned:.2f}"


def _find_first_seen() -> tuple[float, float]:
    """Return the microseconds that a worker takes for a token that is new, alone and beside another."""
    taken = {
        point["workers"]: float(point["cpu_us_per_request"][WORKERS])
        for point in read_figures()["load"]["points"]
        if point["tokens"] == FIRST_SEEN and point["replicas"] == 1
    }
    return taken[1], taken[2]


def find_connections(storms: str = CLEAR) -> tuple[float, float]:
    """Return the milliseconds that nats-server takes for a connection where everybody gets in: least and most."""
    taken = [row["cpu_s"][SERVER] / row["admitted"] * 1000 for row in list_storms(storms) if not row["refused"]]
    return min(taken), max(taken)


def _work_out(back: float, storms: str) -> tuple[str, str]:
    """Return what is reckoned, and what it comes to."""
    fewest, longest = find_connections(storms)
    reckoned = f"{back:,.0f} ÷ {SERVER_S} s, connections of {_say_span(fewest, longest, 2)} ms"
    least, most = (back / SERVER_S * taken / 1000 for taken in (fewest, longest))
    return reckoned, _say_span(least, most, 1)


def _say_span(least: float, most: float, digits: int) -> str:
    """Write both ends, or the one if they are written alike."""
    return " to ".join(dict.fromkeys(f"{value:.{digits}f}" for value in (least, most)))


def list_storms(storms: str = CLEAR) -> list[Point]:
    """The storms of that name without retry."""
    rows = read_figures()["storm"]["rows"]
    return [row for row in rows if name_protocol(row) == storms and row["tries_at_most"] == 1]


def _list_replicas() -> list[Point]:
    """The points of 1 to 3 replicas, and one replica at half of what it decides."""
    points = read_figures()["load"]["points"]
    half = [point for point in points if not point["window"] and point["workers"] == 1]
    return [*(point for point in points if point["series"] == "replicas"), *half]


def _sum_cpu(point: Point) -> float:
    return float(sum(point["cpu_us_per_request"][name] for name in TOGETHER))


def _say_load(point: Point) -> str:
    return f"{point['window']} in flight" if point["window"] else "at half of what it decides"


def _say_storm(workers: int, at_once: int) -> str:
    return f"{at_once:,} at once, {workers} worker{'s' if workers > 1 else ''}"


def _round(value: float) -> float:
    """Round to three digits, as the page goes on with it."""
    return float(f"{value:.3g}")


def _write(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return "\n".join(markdown_table(heads, rows)) + "\n"
