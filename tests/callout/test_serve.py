"""callout.serve: the command around the supervisor."""

import asyncio
import os
import resource
import tempfile
from pathlib import Path

import msgspec
import pytest

from callout.serve import _report_fault
from callout.workspace import warn_of_disk
from tests.idle_service import make_variables
from tests.service import Service
from tests.waiting import until
from workers.dumps import CORE_BYTES
from workers.logs import Log

PATIENCE_S = 20


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


def test_the_namespace_that_is_served_counts_for_files_too(tmp_path: Path) -> None:
    """A setting that restricts is heeded wherever ServiceAccounts come from; misspelt it leaves nobody."""

    async def scenario() -> None:
        with Service(make_variables(tmp_path, K8S_NAMESPACE="ordres")) as service:
            line = await service.logged("nobody can log in: there is no ServiceAccount in SERVICEACCOUNTS_PATH")
            assert line["remedy"].endswith("of K8S_NAMESPACE ordres")
            await service.stop()

    asyncio.run(scenario())


def test_what_it_learns_at_its_start_is_said_once(tmp_path: Path) -> None:
    """Though `callout config` knows some of it before."""
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as disk:
        given = {"JWT_AUDIENCE": "https://kubernetes.default.svc", "SNAPSHOT_DIR": disk, "NATS_TOKEN": "t"}
        variables = make_variables(tmp_path, **given)
        expected = ["JWT_AUDIENCE", *(line.partition(":")[0] for line in warn_of_disk(Path(disk)))]

        async def scenario() -> None:
            with Service(variables) as service:
                await service.logged("key set in force")
                await until(lambda: len(service.log_lines("setting")) >= len(expected), PATIENCE_S, "the warnings")
                await service.stop()
            said = [line["problem"].partition(":")[0] for line in service.log_lines("setting")]
            assert expected == sorted(said)

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
