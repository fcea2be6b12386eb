"""What the process that changes ServiceAccounts says at its end.

That it changes them, tests/e2e/test_perf_scale.py shows.
"""

import asyncio
import sys
from pathlib import Path

import msgspec
import pytest

from callout.errors import CommandError
from perf.commandline.command import Progress
from perf.figures.processes import Meter
from perf.kube.api_server import ApiServer
from perf.kube.churning import Churned, Order, RealChanger
from perf.kube.serviceaccounts import OwnServiceAccounts
from tests.commands import attempt
from tests.perf.hostile import UID, Reply, make_place, serve, write_kubeconfig
from tests.waiting import PATIENCE_SECONDS, until


def test_the_last_line_says_how_much_was_changed(tmp_path: Path) -> None:
    """Whatever stands before it."""
    output = tmp_path / "log"
    output.write_text('begun\n{"changes":12,"seconds":1.5}\n')
    assert Churned(12, 1.5) == Churned.read(output)
    assert (8.0, 0.0) == (Churned.read(output).rate, Churned(0, 0.0).rate)


@pytest.mark.parametrize(("said", "reason"), [("begun\nno answer\n", "no answer"), ("", "it says nothing")])
def test_what_ended_for_another_reason_says_it(said: str, reason: str, tmp_path: Path) -> None:
    """A figure is not made up for it."""
    output = tmp_path / "log"
    output.write_text(said)
    with pytest.raises(CommandError, match=f"has failed: {reason}"):
        Churned.read(output)


def run(order: Path) -> tuple[int, str, str]:
    """Let the process do what stands in a file; return its exit code and what it says on either output."""
    done = attempt([sys.executable, "-m", "perf.kube.churning", str(order)])
    return done.returncode, done.stdout, done.stderr


def test_an_api_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """On its output, where whoever has started it looks."""
    order = tmp_path / "order"
    order.write_bytes(msgspec.json.encode(Order(make_place(str(tmp_path / "none")), [UID], 1)))
    code, said, complaints = run(order)
    assert (1, "") == (code, complaints)
    assert said.startswith("there is no kubeconfig at ")


@pytest.mark.parametrize("content", [None, "", "{}"])
def test_what_is_no_order_is_one_line(content: str | None, tmp_path: Path) -> None:
    """Of a file that is not there, too."""
    order = tmp_path / "order"
    if content is not None:
        order.write_text(content)
    assert (1, f"{order} is no order to change ServiceAccounts\n", "") == run(order)


def test_what_is_changed_is_that_very_serviceaccount(tmp_path: Path) -> None:
    """Each change says the uid that was ordered; the first that is refused ends it, in one line."""
    order = tmp_path / "order"
    uids = [f"{UID[:-1]}{number}" for number in range(3)]
    with serve(lambda _: Reply(status=200 if len(found.requests) < 5 else 422)) as found:
        place = make_place(write_kubeconfig(tmp_path, found.url))
        order.write_bytes(msgspec.json.encode(Order(place, uids, 1000)))
        code, said, complaints = run(order)
    assert (1, "") == (code, complaints)
    begun, _, last = said.splitlines()
    assert ("begun", True) == (begun, "is not there any more, or another one in its place (422)" in last)
    assert {("PATCH", f"perf-scale-{number}", uid) for number, uid in enumerate(uids)} == {
        (request.method, request.path.rpartition("/")[2], request.body["metadata"]["uid"]) for request in found.requests
    }


def test_what_ends_it_is_told_before_what_that_has_ended(tmp_path: Path) -> None:
    """Whoever measures finds the process gone; why it is gone is its own to say."""

    async def scenario(url: str) -> None:
        place = make_place(write_kubeconfig(tmp_path, url))
        async with ApiServer(place.kubeconfig) as server:
            changer = RealChanger(OwnServiceAccounts(server, place, Progress(silent=True), [UID]), place)

            async def look() -> None:
                meter = Meter(changer.find_processes())
                await until(lambda: None if meter.read() else True, PATIENCE_SECONDS, "the process ends")

            with pytest.raises(CommandError, match=r"ServiceAccounts has failed: .*another one in its place \(422\)"):
                await changer.churn_while(100, look)

    with serve(lambda _: Reply(status=200 if len(found.requests) < 5 else 422)) as found:
        asyncio.run(scenario(found.url))
