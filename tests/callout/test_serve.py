"""callout.serve: the command around the supervisor."""

import asyncio
import os
import resource
from pathlib import Path

import msgspec
import pytest

from callout.serve import _report_fault
from tests.idle_service import make_variables
from tests.service import Service
from workers.dumps import CORE_BYTES
from workers.logs import Log


def test_it_runs_until_it_is_told_to_stop(tmp_path: Path) -> None:
    """What is odd with the settings is a log line each; no process dumps its memory; the end is an orderly one."""
    variables = make_variables(tmp_path, NATS_ACOUNT="typo")

    async def scenario() -> None:
        with Service(variables) as service:
            await service.logged("http listening")
            problems = [line["problem"] for line in service.log_lines("setting")]
            assert 1 == sum("NATS_ACOUNT" in problem for problem in problems)
            pids = [service.pid, *service.worker_pids()]
            assert {(CORE_BYTES, CORE_BYTES)} == {resource.prlimit(pid, resource.RLIMIT_CORE) for pid in pids}
            assert 0 == await service.stop()
        assert [] == service.plain_lines

    asyncio.run(scenario())


@pytest.mark.parametrize("with_error", [True, False])
def test_a_fault_that_nobody_caught_is_a_log_line(tmp_path: Path, with_error: bool) -> None:
    """It says what and where, and nothing of the error's own text, which may hold anything."""
    path = tmp_path / "log"
    log = Log("supervisor", "info", os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    context: dict[str, object] = {"message": "a task has failed"}
    if with_error:
        try:
            raise RuntimeError("hunter2")
        except RuntimeError as error:
            context["exception"] = error
    _report_fault(log, context)
    log.close()
    os.close(log._fd)
    (line,) = (msgspec.json.decode(line) for line in path.read_bytes().splitlines())
    assert ("fault in the supervisor", "a task has failed") == (line["event"], line["what"])
    assert ("RuntimeError" if with_error else "") == line["error"]
    assert with_error == line["where"].startswith("test_a_fault_that_nobody_caught_is_a_log_line:")
    assert b"hunter2" not in path.read_bytes()
