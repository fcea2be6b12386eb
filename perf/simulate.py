"""A million clients over an hour: how logins bunch up, what jitter does about it, and what a rolling restart does.

Not measured but reckoned, second by second, from a few rules (no sockets, no clock, nothing drawn: the shares that
chance would give, so that each run comes to the same):

- All clients have come in together, at the beginning (`--spread` seconds).
- A login lasts the TTL less a share drawn evenly from 0 to the jitter; when it ends the client comes back at once.
- The nats-servers are restarted one after the other. One that is ended drops its clients in a second; one in lame
  duck mode lets them go evenly (`lame_duck_duration`, two minutes by default). They come to the others at once.
- So many logins a second come through (`--capacity`): the smaller of what all workers decide, which `perf.load` tells,
  and of what those nats-servers let in that are left while one is down, which `perf.storm` tells: less, as a rule.
  Who would have to wait longer than nats-server does is refused, and comes back after the client's own pause.
"""

import argparse
import sys
from collections.abc import Sequence
from math import ceil
from typing import Final

import msgspec

from perf.commandline.arguments import bounded
from perf.commandline.command import execute_directly, make_parser
from perf.figures.findings import Report
from perf.figures.tables import tabulate
from perf.sections.simulate import COURSES, LAME_DUCK, WITH_JITTER, list_courses, say_fleet

PATIENCE_S: Final = 1.5  # that a request may wait: what `workers.server` gives it of the server's two seconds
RETRY_S: Final = 2  # nats.go's `ReconnectWait`
HOUR_S: Final = 3600
JITTER: Final = 0.2  # the service's default


class Fleet(msgspec.Struct, frozen=True):
    """What is reckoned with.

    Attributes:
        clients: how many there are.
        ttl: seconds that a login lasts at most.
        jitter: the largest share of it that is cut off.
        capacity: logins a second that come through, of service and servers.
        spread: seconds that the beginning takes: all clients come in, evenly.
        servers: nats-servers that the clients are spread over.
        restarts_at: second of the first restart; none if it is negative.
        restart_every: seconds from one restart to the next.
        leaving: seconds in which a server that is restarted lets its clients go.
    """

    clients: int
    ttl: int
    jitter: float
    capacity: float
    spread: int
    servers: int
    restarts_at: int
    restart_every: int
    leaving: int


class Course(msgspec.Struct, frozen=True):
    """What happens in each second: clients that ask, that get in, that are refused; and how many are in at its end."""

    asking: list[float]
    admitted: list[float]
    refused: list[float]
    connected: list[float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Reckon and print."""
    options = parse(arguments)
    return execute_directly(options, lambda: reckon(options), render)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the arguments; ends the process with one line if they are wrong."""
    parser = make_parser("simulate", __doc__, says_progress=False)
    parser.add_argument("--clients", type=bounded(1, 100_000_000), default=1_000_000, help="how many (1000000)")
    parser.add_argument("--seconds", type=bounded(1, 24 * HOUR_S), default=HOUR_S, help="that are looked at (3600)")
    parser.add_argument(
        "--ttl", type=bounded(1, 24 * HOUR_S), default=900, help="seconds that a login lasts at most (900)"
    )
    parser.add_argument("--jitter", type=bounded(0, 0.9, float), default=JITTER, help="of that, at most (0.2)")
    parser.add_argument(
        "--capacity",
        type=bounded(1, 10_000_000, float),
        default=10_000,
        help="logins a second: the smaller of the service's and of the nats-servers' that are left (10000)",
    )
    parser.add_argument("--spread", type=bounded(1, HOUR_S), default=120, help="seconds of the beginning (120)")
    parser.add_argument("--servers", type=bounded(1, 10_000), default=12, help="nats-servers (12)")
    parser.add_argument(
        "--restarts-at", type=bounded(-1, 24 * HOUR_S), default=1800, help="second of the first; -1: none (1800)"
    )
    parser.add_argument("--restart-every", type=bounded(1, HOUR_S), default=150, help="seconds (150)")
    parser.add_argument("--lame-duck", type=bounded(1, HOUR_S), default=120, help="seconds that it lasts (120)")
    return parser.parse_args(arguments)


def reckon(options: argparse.Namespace) -> Report:
    """Reckon the course without jitter, with it, and with servers that let their clients go slowly besides."""
    courses = {}
    variants = (
        ("without jitter", 0.0, 1),
        (WITH_JITTER, options.jitter, 1),
        (LAME_DUCK, options.jitter, options.lame_duck),
    )
    for name, jitter, leaving in variants:
        fleet = Fleet(
            clients=options.clients,
            ttl=options.ttl,
            jitter=jitter,
            capacity=options.capacity,
            spread=options.spread,
            servers=options.servers,
            restarts_at=options.restarts_at,
            restart_every=options.restart_every,
            leaving=leaving,
        )
        courses[name] = {"jitter": jitter, **describe(run(fleet, options.seconds), fleet)}
    return {
        "clients": options.clients,
        "ttl": options.ttl,
        "capacity": options.capacity,
        "spread": options.spread,
        "servers": options.servers,
        "restarts_at": options.restarts_at,
        "restart_every": options.restart_every,
        "courses": courses,
    }


def run(fleet: Fleet, seconds: int) -> Course:
    """Reckon what happens in each second."""
    ending = [0.0] * (seconds + fleet.ttl + 2)  # logins that end in a second
    coming = [0.0] * (seconds + RETRY_S + ceil(PATIENCE_S) + 2)  # clients that come back after a refusal
    for second in range(min(fleet.spread, seconds)):
        coming[second] += fleet.clients / fleet.spread
    course = Course([], [], [], [])
    waiting = connected = 0.0
    for second in range(seconds):
        share = find_share_leaving(fleet, second)
        dropped = connected * share
        if share:
            for later in range(second, len(ending)):
                ending[later] *= 1 - share
        ended = ending[second]
        connected = max(connected - ended - dropped, 0.0)
        arriving = coming[second] + ended + dropped
        asking = waiting + arriving
        admitted = min(asking, fleet.capacity)
        left = asking - admitted
        waiting = min(left, max(fleet.capacity * (PATIENCE_S - 1), 0.0))  # those whose turn still comes in time
        refused = left - waiting
        coming[second + RETRY_S] += refused
        connected += admitted
        _let_end(ending, second, admitted, fleet)
        course.asking.append(arriving)
        course.admitted.append(admitted)
        course.refused.append(refused)
        course.connected.append(connected)
    return course


def find_share_leaving(fleet: Fleet, second: int) -> float:
    """Return the share of all clients that leave in a second because their server is being restarted."""
    if fleet.restarts_at < 0:
        return 0.0
    starts = (fleet.restarts_at + number * fleet.restart_every for number in range(fleet.servers))
    return sum(1 / (fleet.servers * fleet.leaving) for start in starts if start <= second < start + fleet.leaving)


def _let_end(ending: list[float], second: int, admitted: float, fleet: Fleet) -> None:
    """Spread the ends of logins evenly over the time that jitter gives them."""
    latest = second + fleet.ttl
    earliest = second + max(round(fleet.ttl * (1 - fleet.jitter)), 1)
    share = admitted / (latest - earliest + 1)
    for end in range(earliest, latest + 1):
        if end < len(ending):
            ending[end] += share


def describe(course: Course, fleet: Fleet) -> Report:
    """Sum a course up; the beginning, which is the same for all, is left out of all but its own peak.

    The peak before the restarts is None if they begin no later than the beginning ends.
    """
    settled = min(fleet.spread * 2, max(len(course.asking) - 1, 0))
    calm = course.asking[settled : fleet.restarts_at if fleet.restarts_at >= 0 else None]
    return {
        "peak_beginning": round(max(course.asking[:settled], default=course.asking[0])),
        "peak_before_restarts": round(max(calm)) if calm else None,
        "peak_asking": round(max(course.asking[settled:])),
        "refusals": round(sum(course.refused[settled:])),
        "seconds_above_capacity": sum(asking > fleet.capacity for asking in course.asking[settled:]),
        "least_connected": round(min(course.connected[settled:])),
        "asking": [round(value, 1) for value in course.asking],
        "admitted": [round(value, 1) for value in course.admitted],
        "connected": [round(value) for value in course.connected],
    }


def render(report: Report) -> list[str]:
    """Return the report as lines of a table."""
    return [*say_fleet(report), "", *tabulate(COURSES, list_courses(report))]


if __name__ == "__main__":
    sys.exit(main())
