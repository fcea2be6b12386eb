"""How the demo looks."""

import io
import os
from pathlib import Path
from typing import Any

import pytest

from callout.demo.scenarios import SCENARIOS, Row
from callout.demo.text import WIDTH, Paint, Table, align, choose_paint, describe_line, invite, summarize
from callout.policy.verdict import DropReason
from workers.reasons import Reason

PLAIN = Paint(coloured=False)
GOOD = Row("orders/checkout", "log in", "in account APP", "in account APP")
BAD = Row("orders/checkout", "log in", "refused: token_expired", "in account APP")


@pytest.mark.parametrize("account", ["APP", "AUTH_ACCOUNT"])
def test_the_table_fits_a_terminal(account: str) -> None:
    """Its columns are aligned, before any row is known."""
    table = Table.of(SCENARIOS, account, PLAIN)
    rows = [Row(one.who, one.deed, one.expected.format(account=account), "") for one in SCENARIOS]
    lines = [table.head(), *(table.line(row).splitlines()[0] for row in rows)]
    assert max(len(line) for line in lines) <= WIDTH
    assert {line.rindex(PLAIN.wrong) for line in lines[1:]} == {lines[0].index("expected")}


def test_a_row_that_went_wrong_says_what_was_expected() -> None:
    """Below what came of it."""
    first, second = Table.of(SCENARIOS, "APP", PLAIN).line(BAD).splitlines()
    assert first.endswith("✗")
    assert "expected: in account APP" == second.strip()
    assert first.index("refused") == second.index("expected")


@pytest.mark.parametrize(
    ("row", "mark"), [(GOOD, "\x1b[32mok\x1b[0m"), (BAD, "\x1b[31mWRONG\x1b[0m")], ids=["good", "bad"]
)
def test_marks_have_a_colour_and_can_be_words(row: Row, mark: str) -> None:
    """On a terminal with colours, and in an encoding without the marks."""
    table = Table.of(SCENARIOS, "APP", Paint(coloured=True, ok="ok", wrong="WRONG"))
    assert mark in table.line(row)


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_a_terminal_has_colours_unless_it_does_not_want_them(environ: dict[str, str], coloured: bool) -> None:
    """https://no-color.org: if the variable is set and not empty."""
    main, terminal = os.openpty()
    with os.fdopen(terminal, "w", encoding="utf-8") as stream:
        assert Paint(coloured) == choose_paint(stream, environ)
    os.close(main)


@pytest.mark.parametrize(("encoding", "ok"), [("utf-8", "✓"), ("ascii", "ok"), ("latin-1", "ok")])
def test_what_is_no_terminal_has_no_colours_and_marks_that_it_can_hold(encoding: str, ok: str) -> None:
    """A file or a pipe."""
    paint = choose_paint(io.TextIOWrapper(io.BytesIO(), encoding=encoding), {})
    assert (False, ok) == (paint.coloured, paint.ok)


@pytest.mark.parametrize(
    ("rows", "first", "lines"), [((GOOD, GOOD), "2 of 2 as expected.", 2), ((GOOD, BAD), "1 of 2 as expected.", 4)]
)
def test_the_table_is_summed_up(rows: tuple[Row, ...], first: str, lines: int) -> None:
    """With a hint if something went wrong, and what takes it back if that was an edit."""
    said = summarize(rows, PLAIN)
    assert (rows == (GOOD, BAD)) == said[-1].startswith("'git checkout k8s/examples/serviceaccounts' takes back ")
    assert (first, lines) == (said[0], len(said))


def test_facts_are_aligned() -> None:
    """Names in one column, the rest in another."""
    assert ["  a    1", "  bcd  2"] == align([("a", "1"), ("bcd", "2")])


def test_commands_keep_their_lines() -> None:
    """So that they can be pasted as they stand."""
    lines = invite(["nats \\\n  pub x"], ["http://a", "http://b"], Path("a place"), Path("folder"), PLAIN)
    assert ["  nats \\", "    pub x"] == lines[1:3]
    assert "  http://a  http://b" in lines
    assert "  DEMO='a place'" in lines
    assert "folder/*.yaml" in lines[-1]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"event": "login allowed"}, "orders/checkout logged in"),
        (
            {"event": "login denied", "reason": "token_expired"},
            f"orders/checkout refused: token_expired. {Reason.TOKEN_EXPIRED.meaning}",
        ),
        (
            {"event": "login denied", "reason": "token_malformed", "serviceaccount": "", "client": "127.0.0.1"},
            f"a client from 127.0.0.1 refused: token_malformed. {Reason.TOKEN_MALFORMED.meaning}",
        ),
        ({"event": "login denied", "reason": "news"}, "orders/checkout refused: news."),
        ({"event": "permissions changed"}, "orders/checkout: permissions changed; logins from now on get the new ones"),
        ({"event": "ServiceAccount added"}, "orders/checkout: added; its clients can log in from now on"),
        (
            {"event": "ServiceAccount made again"},
            "orders/checkout: made again; tokens of the one before are refused from now on",
        ),
        (
            {"event": "ServiceAccount files are in order again", "serviceaccount": ""},
            "nothing is wrong with the ServiceAccount files any more",
        ),
        ({"event": "ServiceAccount removed"}, "orders/checkout: removed; logins are refused from now on"),
        (
            {"event": "subject dropped from permissions", "side": "sub", "subject": "$SYS.>", "reason": "system_space"},
            f"orders/checkout: subscribe $SYS.> dropped: system_space. {DropReason.SYSTEM_SPACE.meaning}",
        ),
        (
            {"event": "unknown annotation", "annotation": "a", "remedy": "was b meant?"},
            "orders/checkout: annotation a means nothing here; was b meant?",
        ),
        (
            {"event": "subject granted as one", "subject": "a;b", "remedy": "it holds a ';'"},
            "orders/checkout: a;b is granted as one subject; it holds a ';'",
        ),
        ({"event": "worker ended", "level": "warning", "exit_code": 1}, "worker ended: exit_code 1"),
        ({"event": "a file is broken", "level": "error", "problem": "line 1"}, "a file is broken: line 1"),
        ({"event": "not ready", "level": "warning"}, "not ready"),
    ],
)
def test_lines_of_the_log_are_put_into_words(line: dict[str, Any], words: str) -> None:
    """What the user of the demo should see, in a sentence."""
    whole = {"level": "info", "ts": "", "namespace": "orders", "serviceaccount": "checkout"} | line
    assert words == " ".join((describe_line(whole) or "").split())


@pytest.mark.parametrize("level", ["debug", "info"])
def test_other_lines_are_left_out(level: str) -> None:
    """There are many, and they are for operators."""
    assert describe_line({"event": "http listening", "level": level, "ts": "", "port": 1}) is None


def test_a_line_has_its_time_and_its_place() -> None:
    """It is wrapped below itself, and nothing in it can trick the terminal."""
    line = {"event": "\x1b[2J " + "long " * 40, "level": "error", "ts": "2026-01-02T03:04:05.678Z"}
    first, *others = (describe_line(line) or "").splitlines()
    assert ":04:05  \\x1b[2J long" in first
    assert others
    assert all(len(text) <= WIDTH and text.startswith(" " * 12) for text in others)
