"""The algebra of subjects, against brute force over a small world and against real nats-servers."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import product
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from callout.policy.subjects import (
    MAX_SUBJECT_LENGTH,
    Patterns,
    covers,
    is_valid,
    measure,
    overlaps,
    widen_for_subscriber,
)
from tests.commands import attempt
from tests.waiting import until_sync

START_LIMIT = 20.0  # seconds until a server has to listen
ANSWER_LIMIT = 20.0  # seconds until a server has to answer

SERVER = Path(sys.executable).parent / "nats-server"
SERVERS = {"demo's": SERVER} | {
    path.parents[1].name: path for path in sorted(Path(sys.prefix).glob("nats-servers/*/bin/nats-server"))
}

# A world in which each pair of patterns has a witness if it can have one: for every beginning (none, a, ab) a word that
# is it, one that goes on after it, and one token more than any pattern here names.
WORLD_WORDS = ("a", "ab", "abz", "az", "z")
WORLD = [".".join(words) for length in (1, 2, 3) for words in product(WORLD_WORDS, repeat=length)]
PATTERN_TOKENS = ("a", "ab", "*", "a…", "ab…")
PATTERNS = [
    ".".join((*head, last))
    for length in (0, 1)
    for head in product(PATTERN_TOKENS, repeat=length)
    for last in (*PATTERN_TOKENS, ">")
]

patterns = st.builds(
    lambda head, last: ".".join((*head, last)),
    st.lists(st.sampled_from(("a", "b", "ab", "*", "a…", "ab…")), max_size=3),
    st.sampled_from(("a", "b", "ab", "*", "a…", "ab…", ">")),
)
# Text that is often a subject, and text that seldom is.
words = st.text(st.characters(exclude_characters=".…*> \ufffd", exclude_categories=("C", "Z")), min_size=1, max_size=12)
valid_subjects = st.builds(
    lambda head, last: ".".join((*head, last)),
    st.lists(words | st.just("*"), max_size=6),
    words | st.sampled_from(("*", ">")),
)
near_subjects = st.text(st.sampled_from("ab.*>$_ \t\n…\x00\u200b\ud800\ufffdé"), max_size=12)


@cache
def matched(pattern: str) -> int:
    """The subjects of the world that match, as bits: an oracle by regular expression, which knows no algebra."""
    expressions = {"*": r"[^.]+", ">": r".+", "a…": r"a[^.]*", "ab…": r"ab[^.]*"}
    regex = re.compile(r"\.".join(expressions.get(token, re.escape(token)) for token in pattern.split(".")))
    return sum(1 << index for index, subject in enumerate(WORLD) if regex.fullmatch(subject))


@pytest.mark.parametrize("a", PATTERNS)
def test_overlaps_is_to_share_a_subject(a: str) -> None:
    """Two patterns overlap just when some subject of the world matches both."""
    assert {b: bool(matched(a) & matched(b)) for b in PATTERNS} == {b: overlaps(a, b) for b in PATTERNS}


@pytest.mark.parametrize("wider", PATTERNS)
def test_covers_is_to_match_all_that_the_other_matches(wider: str) -> None:
    """A pattern covers another just when no subject of the world matches the other alone."""
    expected = {narrower: not matched(narrower) & ~matched(wider) for narrower in PATTERNS}
    assert expected == {narrower: covers(wider, narrower) for narrower in PATTERNS}


@given(patterns, patterns)
@settings(max_examples=300, deadline=None)
def test_overlaps_is_symmetric(a: str, b: str) -> None:
    """The order of the two patterns does not matter."""
    assert overlaps(a, b) == overlaps(b, a)


@given(valid_subjects | patterns)
@settings(max_examples=200, deadline=None)
def test_every_pattern_overlaps_and_covers_itself(a: str) -> None:
    """Both relations are reflexive."""
    assert (overlaps(a, a), covers(a, a)) == (True, True)


@given(patterns, patterns, patterns)
@settings(max_examples=500, deadline=None)
@example(">", "a.*", "a.b")
def test_covers_is_transitive(a: str, b: str, c: str) -> None:
    """What covers a pattern covers all that the pattern covers, and overlaps all that the pattern overlaps."""
    if covers(a, b):
        assert not covers(b, c) or covers(a, c)
        assert not overlaps(b, c) or overlaps(a, c)


@given(patterns)
@settings(max_examples=200, deadline=None)
def test_widening_for_a_subscriber_never_narrows(a: str) -> None:
    """What a subscriber can receive is at least what the permission says, and widening once is enough."""
    widened = widen_for_subscriber(a)
    assert covers(widened, a)
    assert widened == widen_for_subscriber(widened)


@pytest.mark.parametrize(
    ("subject", "widened"),
    [("a.*", "a.>"), ("*", ">"), ("a.b", "a.b"), ("a.*.b", "a.*.b"), ("a.>", "a.>"), ("a.b*", "a.b*")],
)
def test_only_a_final_star_widens(subject: str, widened: str) -> None:
    """A `*` at the end becomes `>`, and nothing else changes."""
    assert widened == widen_for_subscriber(subject)


@pytest.mark.parametrize(
    "subject", ["a", "a.b.c", "*", ">", "a.*.b", "a.>", "*.>", "$JS.API.>", "_x", "ä.名", "a/b=c", '"', "{{name()}}"]
)
def test_a_row_of_words_and_whole_wildcards_is_valid(subject: str) -> None:
    """Words, `*` as a token and `>` as the last token make a subject."""
    assert is_valid(subject)


@pytest.mark.parametrize(
    "subject",
    [
        *("", ".", "a.", ".a", "a..b", ">.a", "a.>.b", "a*", "*a", "a>", ">>", "**", "a.b*.c"),
        *("a b", " a", "a\t", "a\nb", "a\r", "a\f", "a\x00", "a\x7f", "a\x85", "a\u00a0b", "a\u2028", "a\u3000"),
        *("a\u200b", "a\u202e", "\ufeffa", "a\ud800", "a\ufffd", "a…", "…", "\ue000"),
    ],
)
def test_anything_else_is_no_subject(subject: str) -> None:
    """Empty tokens, wildcards inside tokens, blanks, what cannot be printed, and our own `…` are refused."""
    assert not is_valid(subject)


def test_length_is_counted_in_bytes() -> None:
    """The limit is one of bytes, as NATS sends them, not of characters."""
    assert is_valid("é" * (MAX_SUBJECT_LENGTH // 2))
    assert not is_valid("é" * (MAX_SUBJECT_LENGTH // 2) + "e")
    assert measure("e" * MAX_SUBJECT_LENGTH) == MAX_SUBJECT_LENGTH
    assert measure("\ud800") == 3


@given(near_subjects | st.text(max_size=30))
@settings(max_examples=500, deadline=None)
def test_is_valid_is_stricter_than_both_of_nats_rules(subject: str) -> None:
    """Nothing valid here breaks a rule of nats-server's IsValidSubject or of nats-io/jwt's Subject.Validate."""
    if is_valid(subject):
        tokens = subject.split(".")
        assert all(tokens)
        assert ">" not in tokens[:-1]
        assert re.search(r"[ \t\n\f\r\x00]", subject) is None


@given(st.lists(valid_subjects.filter(is_valid), min_size=1, max_size=40))
@settings(max_examples=30, deadline=None)
@example(["a" * MAX_SUBJECT_LENGTH, '"', "\\", "$x", "{", "#", "//", "'", "%s", "a.*.>"])
def test_every_valid_subject_is_accepted_by_nats_server(
    tmp_path_factory: pytest.TempPathFactory, subjects: list[str]
) -> None:
    """A real server takes whatever `is_valid` accepts as a permission."""
    assert check_configuration(tmp_path_factory.mktemp("conf"), subjects) == 0


@pytest.mark.parametrize("subject", ["a..b", "a.>.b", ".a", "a\tb.c"])
def test_the_server_does_check_permissions(tmp_path: Path, subject: str) -> None:
    """The oracle of the test above is awake: it refuses what is malformed, and so does `is_valid`."""
    assert (check_configuration(tmp_path, [subject]), is_valid(subject)) == (1, False)


@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS)
def test_permissions_mean_the_same_to_nats_server(server: Path, tmp_path: Path) -> None:
    """A real server lets a client do what its permission covers, and with `a.*` subscribe to `a.>` besides."""
    tokens = ("a", "b", "*")
    heads = [head for length in (0, 1, 2) for head in product(tokens, repeat=length)]
    subjects = [".".join((*head, last)) for head in heads for last in (*tokens, ">")]
    words = [subject for subject in subjects if not {"*", ">"} & set(subject)]

    def may_subscribe(permission: str, subject: str) -> bool:
        return covers(permission, subject) or (subject.endswith(">") and covers(permission, subject[:-1] + "*"))

    expected = {
        permission: (
            {word for word in words if covers(permission, word)},
            {subject for subject in subjects if may_subscribe(permission, subject)},
        )
        for permission in subjects
    }
    with run_server(server, tmp_path, subjects) as port:
        actual = {permission: try_subjects(port, permission, words, subjects) for permission in subjects}
    assert expected == actual
    for permission, (_, subscribed) in actual.items():
        reach = widen_for_subscriber(permission)
        assert reach in subscribed
        assert all(covers(reach, subject) for subject in subscribed)


@settings(max_examples=300, deadline=None)
@given(st.lists(patterns, max_size=5), patterns)
def test_patterns_together_are_each_by_itself(several: list[str], subject: str) -> None:
    """Standing in one tree changes nothing of what they cover and overlap."""
    together = Patterns(several)
    assert any(covers(pattern, subject) for pattern in several) == together.covers(subject)
    assert any(overlaps(pattern, subject) for pattern in several) == together.overlaps(subject)


@pytest.mark.parametrize("length", [1, MAX_SUBJECT_LENGTH // 2])
def test_patterns_may_be_long(length: int) -> None:
    """A pattern has as many tokens as a subject's bytes allow."""
    pattern = ".".join("a" * length)
    assert Patterns([pattern]).covers(pattern)


def write_configuration(folder: Path, subjects: dict[str, list[str]]) -> Path:
    """Write a server's configuration with one user for each key, who may publish and subscribe to its subjects."""
    path = folder / "server.conf"
    users = [
        {"user": user, "password": "p", "permissions": {"publish": {"allow": allow}, "subscribe": {"allow": allow}}}
        for user, allow in subjects.items()
    ]
    path.write_text(json.dumps({"authorization": {"users": users}}, ensure_ascii=False), encoding="utf-8")
    return path


def check_configuration(folder: Path, subjects: list[str]) -> int:
    """Ask a server whether it takes these permissions; 0 means yes."""
    path = write_configuration(folder, {"u": subjects})
    return attempt([SERVER, "-t", "-c", path]).returncode


@contextmanager
def run_server(server: Path, folder: Path, users: list[str]) -> Iterator[int]:
    """Run a server with one user for each subject, who may do that; give its port."""
    path = write_configuration(folder, {subject: [subject] for subject in users})
    where: list[str | Path] = ["-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", folder, "-l", folder / "log"]
    with subprocess.Popen([server, "-c", path, *where]) as process:
        try:
            yield read_port(folder / f"{server.name}_{process.pid}.ports", process)
        finally:
            process.terminate()


def read_port(path: Path, process: "subprocess.Popen[bytes]") -> int:
    """Wait until the server has written where it listens."""

    def look() -> int | None:
        assert process.poll() is None, f"no server: {(path.parent / 'log').read_text()}"
        try:
            return int(json.loads(path.read_text())["nats"][0].rsplit(":", 1)[1])
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    return until_sync(look, START_LIMIT, f"the server listens; its log is {path.parent / 'log'}")


def try_subjects(port: int, user: str, publish: list[str], subscribe: list[str]) -> tuple[set[str], set[str]]:
    """Publish and subscribe as a user; return what was allowed of each."""
    credentials = json.dumps({"user": user, "pass": "p", "verbose": False})
    lines = [f"CONNECT {credentials}"]
    lines += [f"SUB {subject} {number}" for number, subject in enumerate(subscribe)]
    lines += [f"PUB {subject} 0\r\n" for subject in publish]
    with (
        socket.create_connection(("127.0.0.1", port), ANSWER_LIMIT) as connection,
        connection.makefile("rwb") as stream,
    ):
        stream.write(("\r\n".join([*lines, "PING"]) + "\r\n").encode())
        stream.flush()
        answers = iter(lambda: stream.readline().decode().strip(), "PONG")
        refused = [re.findall(r"-ERR 'Permissions Violation for (\w+) to \"(.*)\"'", answer) for answer in answers]
    violations = {violation for found in refused for violation in found}
    return (
        {subject for subject in publish if ("Publish", subject) not in violations},
        {subject for subject in subscribe if ("Subscription", subject) not in violations},
    )
