"""Several rounds of a point, here and of what is deployed."""

import asyncio
from pathlib import Path

import pytest

from callout.demo.config import draw_key
from callout.errors import CommandError
from perf.bench import Bench
from perf.cases import REMEMBERED
from perf.here.local import Population, run_local
from perf.load import measure_in_process, parse
from workers.nkeys import Kind

ROUNDS = 3


def test_rounds_are_told_with_the_point() -> None:
    """Real servers: of a window and at a rate, all that were measured, none lost, and the middle one's own figures."""

    async def scenario() -> None:
        async with run_local(Population(), workers=1, serviceaccounts=9, tokens=9) as local:
            bench = await Bench.open(local.target, {})
            window = await bench.run_window(REMEMBERED, 4, 0.1, "windows", ROUNDS)
            offered = await bench.run_at(REMEMBERED, 100, 0.1, ROUNDS)
            await bench.close()
        assert sorted(window["rates"])[1] == window["rate"]
        assert sorted(offered["p99s"])[1] == offered["latency_ms"]["p99"]
        for point in (window, offered):
            assert ([0] * ROUNDS, ROUNDS) == (point["lost"], point["attempts"])
        assert (10, 100) == (offered["latency_ms"]["count"], offered["offered"])

    asyncio.run(scenario())


def test_a_deployed_set_up_may_be_measured_in_rounds(tmp_path: Path) -> None:
    """One unless more are wanted, as here."""
    (tmp_path / "tokens").write_text("a.b.c\n")
    (tmp_path / "login").write_text("me:secret\n")
    place = ["--nats-url=nats://a", f"--tokens={tmp_path / 'tokens'}", f"--creds={tmp_path / 'login'}"]
    words = [*place, f"--callout-account={draw_key(Kind.ACCOUNT).public}"]
    assert [1, 1, ROUNDS] == [parse(more)[0].repeat for more in ([], words, [*words, f"--repeat={ROUNDS}"])]


@pytest.mark.usefixtures("no_shared_memory")
def test_in_process_the_snapshot_is_in_shared_memory_too() -> None:
    """What is compared is read from the same kind of place: where none can be made in it, nothing is measured."""
    with pytest.raises(CommandError, match=r"^no folder can be made in /proc: "):
        measure_in_process(1)
