"""Log lines: JSON, one each, and never a wait for whoever is to read them."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.waiting import until_sync
from workers.logs import LEVELS, MAX_WAITING_LINES, Field, Log
from workers.reasons import Reason

DEADLINE = 20.0  # seconds until a log has to have written what it was given
PIPE_SIZE = 65_536  # bytes that a pipe takes before it blocks (pipe(7))


class Pipe:
    """A pipe whose end is read when the test says so."""

    def __init__(self) -> None:
        self.out, self.into = os.pipe()
        self.read = bytearray()

    def read_all(self) -> list[dict[str, Any]]:
        """Close our end for writing and read to the end."""
        os.close(self.into)
        self.into = -1
        while chunk := os.read(self.out, PIPE_SIZE):
            self.read += chunk
        return [json.loads(line) for line in self.read.splitlines()]

    def take(self) -> bool:
        """Read a chunk; tell whether there was one."""
        os.set_blocking(self.out, False)
        try:
            self.read += os.read(self.out, PIPE_SIZE)
        except BlockingIOError:
            return False
        finally:
            os.set_blocking(self.out, True)
        return True


@contextmanager
def pipe() -> Iterator[Pipe]:
    """A pipe that is closed with the block."""
    made = Pipe()
    try:
        yield made
    finally:
        for fd in (made.out, made.into):
            if fd >= 0:
                os.close(fd)


def written(level: str, **fields: Field) -> dict[str, Any]:
    """The one line that a log of level debug writes."""
    with pipe() as made:
        log = Log("worker", "debug", made.into)
        getattr(log, level)("something happened", **fields)
        log.close()
        (line,) = made.read_all()
    assert isinstance(line, dict)
    return line


@pytest.mark.parametrize("level", LEVELS)
def test_a_line_says_when_who_what_and_how_bad(level: str) -> None:
    """The moment with milliseconds, in UTC."""
    before = datetime.now(UTC).replace(microsecond=0)
    line = written(level, namespace="shop", count=3, share=0.5, good=True, nothing=None)
    moment = line.pop("ts")
    assert moment.endswith("Z")
    assert len(moment) == len("2026-01-02T03:04:05.678Z")
    assert before <= datetime.fromisoformat(moment) <= datetime.now(UTC)
    expected = {"level": level, "component": "worker", "event": "something happened"}
    assert {**expected, "namespace": "shop", "count": 3, "share": 0.5, "good": True, "nothing": None} == line


@pytest.mark.parametrize("threshold", LEVELS)
def test_lines_below_the_level_are_not_written(threshold: str) -> None:
    """And `writes` says so beforehand, so that costly fields need not be made."""
    with pipe() as made:
        log = Log("worker", threshold, made.into)
        for level in LEVELS:
            getattr(log, level)("event")
        log.close()
        expected = [level for level in LEVELS if log.writes(level)]
        assert expected == [line["level"] for line in made.read_all()]
    assert [level for level in LEVELS if LEVELS[level] >= LEVELS[threshold]] == expected


def test_an_unknown_level_is_refused() -> None:
    """Before a thread is started."""
    with pytest.raises(KeyError):
        Log("worker", "loud")


def test_fields_of_the_process_stand_on_every_line() -> None:
    """The worker's number; a line's own field of that name wins."""
    with pipe() as made:
        log = Log("worker", "info", made.into, worker=3, zone="a")
        log.info("one")
        log.info("two", zone="b")
        log.close()
        assert [(3, "a"), (3, "b")] == [(line["worker"], line["zone"]) for line in made.read_all()]


def test_a_reason_is_written_as_its_value() -> None:
    """As the metric's label has it."""
    assert written("info", reason=Reason.TOKEN_EXPIRED)["reason"] == "token_expired"


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters()) | st.text(st.characters(categories=["Cs", "Cc"])))
def test_no_text_breaks_a_line_or_its_writer(text: str) -> None:
    """Line ends and quotes are escaped; half a surrogate, as in a file's undecodable name, is no exception."""
    line = written("warning", path=text, **{"a\nb": 1})
    assert json.loads(json.dumps(text)) == line["path"]


def test_lines_of_many_threads_do_not_mix() -> None:
    """Each is whole, and none is lost while there is room."""
    with pipe() as made:
        log = Log("worker", "info", made.into)

        def speak(number: int) -> None:
            for count in range(50):
                log.info("event", thread=number, count=count)

        threads = [threading.Thread(target=speak, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        log.close()
        lines = made.read_all()
    assert {(number, count) for number in range(4) for count in range(50)} == {
        (line["thread"], line["count"]) for line in lines
    }
    for number in range(4):
        assert list(range(50)) == [line["count"] for line in lines if line["thread"] == number]


@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "non-blocking"])
def test_a_reader_that_does_not_read_holds_nobody_up(blocking: bool) -> None:
    """Whoever writes goes on; what does not fit is counted, and said as soon as there is room again."""
    with pipe() as made:
        os.set_blocking(made.into, blocking)
        log = Log("worker", "info", made.into)
        total = MAX_WAITING_LINES + PIPE_SIZE // 100 + 1000  # what waits, what the pipe takes, and more
        for number in range(total):
            log.info("event", number=number)
        until_sync(lambda: made.take() or log._lines.empty(), DEADLINE, "something to read")
        until_sync(lambda: not made.take() and log._lines.empty(), DEADLINE, "the log to have written all")
        log.info("after")
        log.close()
        lines = made.read_all()
    lost = sum(line["lines"] for line in lines if line["event"] == "log lines lost")
    numbers = [line["number"] for line in lines if line["event"] == "event"]
    assert lost > 0
    assert total == len(numbers) + lost
    assert sorted(numbers) == numbers
    assert lines[-1]["event"] == "after"
    assert {"warning"} == {line["level"] for line in lines if line["event"] == "log lines lost"}


def test_a_reader_that_has_gone_ends_nothing() -> None:
    """The lines are dropped, the caller goes on, and closing comes to an end."""
    with pipe() as made:
        log = Log("worker", "info", made.into)
        os.close(made.out)
        made.out = -1
        log.info("event")
        until_sync(lambda: not log._thread.is_alive(), DEADLINE, "the writer to notice")
        for _ in range(MAX_WAITING_LINES + 10):
            log.info("event")
        assert log._lost > 0
        log.close()


def test_closing_gives_up_on_a_reader_that_does_not_read() -> None:
    """A stopping process is not to hang on its log."""
    with pipe() as made:
        log = Log("worker", "info", made.into)
        log.info("event", text="x" * (2 * PIPE_SIZE))
        log.close()
        assert log._thread.is_alive()  # it is still at that line, and nobody waits for it any more
        until_sync(lambda: made.take() or not log._thread.is_alive(), DEADLINE, "the line")
        until_sync(lambda: not made.take() and not log._thread.is_alive(), DEADLINE, "the writer's end")


def test_closing_writes_what_waits() -> None:
    """The last line of a process is the one that says why it ends."""
    with pipe() as made:
        log = Log("worker", "info", made.into)
        for number in range(500):
            log.info("event", number=number)
        log.close()
        assert list(range(500)) == [line["number"] for line in made.read_all()]
        assert not log._thread.is_alive()
