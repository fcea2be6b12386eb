"""The demo's service: its log is read as it grows, and a start that fails says why."""

import asyncio
from pathlib import Path

import pytest

from callout.demo.service import ServiceLog, run_service, who_of
from callout.errors import CommandError


def test_a_log_is_read_as_it_grows(tmp_path: Path) -> None:
    """Each line once, and a half-written one when it is whole."""
    path = tmp_path / "log"
    log = ServiceLog(path)
    assert [] == log.read()
    with path.open("w") as file:
        file.write('{"event":"a","level":"info","ts":"now","port":1}\n{"event":')
        file.flush()
        assert [{"event": "a", "level": "info", "ts": "now", "port": 1}] == log.read()
        assert [] == log.read()
        file.write('"b"}\n')
        file.flush()
        assert ["b"] == [line["event"] for line in log.read()]


def test_what_is_no_json_is_an_error(tmp_path: Path) -> None:
    """It was said before there was a log."""
    (tmp_path / "log").write_text("callout: NATS_URL: is wrong\n")
    assert [{"event": "callout: NATS_URL: is wrong", "level": "error", "ts": ""}] == ServiceLog(tmp_path / "log").read()


def test_a_line_is_found_and_those_after_it_are_kept(tmp_path: Path) -> None:
    """Those before it are passed over."""
    path = tmp_path / "log"
    path.write_text("a\nb\nc\n")

    async def find(event: str) -> bool:
        return await log.find(lambda line: line["event"] == event, seconds=0) is not None

    log = ServiceLog(path)
    assert asyncio.run(find("b"))
    assert ["c"] == [line["event"] for line in log.read()]
    assert not asyncio.run(find("a"))


def test_who_a_line_is_about() -> None:
    """As the table names ServiceAccounts."""
    assert "orders/checkout" == who_of({"namespace": "orders", "serviceaccount": "checkout"})
    assert "/" == who_of({})


def test_a_service_that_does_not_start_says_why(tmp_path: Path) -> None:
    """Its own last complaint, in one line."""

    async def start() -> None:
        async with run_service({"NATS_WORKERS": "many", "NATS_ACCOUNT": "APP"}, tmp_path):
            raise AssertionError("it has started")

    with pytest.raises(CommandError, match=r"^the service does not start; the last thing it said: callout: NATS_"):
        asyncio.run(start())
