"""What the doctor is asked to do: each file is read, or refused in one line before anything is done."""

import argparse
import io
import os
import sys
from pathlib import Path

import pytest

from callout.doctor.command import add_arguments
from callout.doctor.request import MAX_FILES, Request, read_request
from callout.errors import EXIT_WRONG_USAGE, CommandError
from tests.minting import (
    NatsKey,
    account_jwt,
    creds,
    decode_nats_jwt,
    encode_nats_jwt,
    operator_jwt,
    override,
    sentinel_jwt,
    user_jwt,
)

OPERATOR, ACCOUNT, OTHER, USER = (NatsKey.generate(kind) for kind in ("operator", "account", "account", "user"))
FIRST, SECOND = account_jwt(ACCOUNT, OPERATOR, "A"), account_jwt(OTHER, OPERATOR, "B")
SENTINEL = sentinel_jwt(USER.public, ACCOUNT)
NACK = ("--live", "--nack", "EVENTS", "--subject", "events.doctor", "--token", "token", "--nack-creds", "user.creds")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a file of each kind."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "user.creds").write_text(creds(user_jwt(USER.public, ACCOUNT), USER.seed))
    (tmp_path / "token").write_text("a-token\n")
    (tmp_path / "account.jwt").write_text(FIRST)
    return tmp_path


def read(*words: str) -> Request:
    """The request that a command line is."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return read_request(parser.parse_args(words))


def refusal(*words: str) -> str:
    """The one line that is said of a command line."""
    with pytest.raises(CommandError) as caught:
        read(*words)
    assert EXIT_WRONG_USAGE == caught.value.exit_code
    (line,) = caught.value.lines
    assert not [secret for secret in (USER.seed, FIRST, "a-token") if secret in line]
    return line


def test_nothing_is_asked_for_by_itself() -> None:
    """Neither a client nor a file."""
    assert Request() == read()


@pytest.mark.usefixtures("here")
def test_all_that_can_be_asked_for() -> None:
    """Each option at its place; two of them may be given again."""
    request = read(*NACK, "--accounts", "account.jwt", "--metrics-url", "http://a/", "--metrics-url", "http://b/")
    assert (True, "a-token", "EVENTS", "events.doctor") == (
        request.live,
        request.given.token,
        request.stream,
        request.subject,
    )
    assert ("http://a/", "http://b/") == request.metrics_urls
    assert {ACCOUNT.public} == request.accounts.keys()
    assert request.stream_user is not None
    assert request.stream_user.key is not None
    assert ("orders", "checkout") == read("--serviceaccount", "orders/checkout").serviceaccount


def test_accounts_are_found_wherever_they_stand(here: Path) -> None:
    """In a nats.conf, in a folder as nsc has it; an operator's and a user's JWT beside them are none."""
    conf = f'resolver_preload: {{ A: "{FIRST}", B: "{SECOND}" }}\noperator: "{operator_jwt(OPERATOR, ACCOUNT)}"\n'
    (here / "nats.conf").write_text(conf)
    assert {ACCOUNT.public, OTHER.public} == read("--accounts", "nats.conf").accounts.keys()
    below = here / "store/accounts/B"
    below.mkdir(parents=True)
    (below / "B.jwt").write_text(SECOND)
    (below / "user.jwt").write_text(SENTINEL)
    (below / "notes.txt").write_text(FIRST)
    assert {OTHER.public} == read("--accounts", "store").accounts.keys()


def test_of_two_jwts_of_an_account_the_later_counts(here: Path) -> None:
    """In whichever order they are found."""
    later = encode_nats_jwt(override(decode_nats_jwt(FIRST), {"iat": 99, "name": "later"}), OPERATOR)
    for texts in ((FIRST, later), (later, FIRST)):
        (here / "both").write_text("\n".join(texts))
        assert "later" == read("--accounts", "both").accounts[ACCOUNT.public].name


def test_a_sentinel_is_credentials_or_a_jwt(here: Path) -> None:
    """A bearer needs no seed."""
    (here / "bare").write_text(SENTINEL + "\n")
    (here / "full").write_text(creds(SENTINEL, USER.seed))
    bare, full = read("--sentinel", "bare").sentinel, read("--sentinel", "full").sentinel
    assert bare is not None
    assert full is not None
    assert (SENTINEL, None) == (bare.jwt, bare.key)
    assert (SENTINEL, True) == (full.jwt, full.key is not None)


def test_a_token_may_come_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it stands in no file."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b" a-token\n")))  # pytest has taken the process's own
    assert "a-token" == read("--token", "-").given.token


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ("--accounts", "missing"),
            "--accounts: {here}/missing cannot be read: no such file or directory; give a file with",
        ),
        (("--accounts", "x" * 300), f"--accounts: {{here}}/{'x' * 300} cannot be read: file name too long"),
        (("--accounts", "token"), "--accounts: token holds no JWT of an account; 'nsc describe account NAME --raw'"),
        (("--accounts", "empty"), "--accounts: empty holds no JWT of an account"),
        (
            ("--sys-creds", "missing"),
            "--sys-creds: {here}/missing cannot be read: no such file or directory; give a .creds",
        ),
        (("--sys-creds", "token"), "--sys-creds: token has no block"),
        (
            ("--sentinel", "missing"),
            "--sentinel: {here}/missing cannot be read: no such file or directory; give the sentinel's",
        ),
        (("--sentinel", "token"), "--sentinel: token: it holds no JWT; give the sentinel's .creds or JWT"),
        (("--sentinel", "account.jwt"), "--sentinel: account.jwt: this is the JWT of another thing than a NATS user"),
        (("--token", "missing"), "--token: 'missing' cannot be read: no such file or directory; give a file with a"),
        (("--token", "empty"), "--token: 'empty' cannot be read: is a directory"),
        (("--token", "blank"), "--token: 'blank' is empty; give a file with a token"),
        (("--serviceaccount", "checkout"), "--serviceaccount: 'checkout' is none; give namespace/name, such as"),
        (("--serviceaccount", "a/b; id"), "--serviceaccount: 'a/b; id' is none"),
        (("--metrics-url", "pod:8080"), "--metrics-url: 'pod:8080' is no address of a page; give http://<pod>:8080"),
        (("--metrics-url", "http://u:p@pod/"), "--metrics-url: the value (hidden: it looks like a secret) is no"),
        (NACK[1:], "--nack: publishes a message, and so needs --live"),
        (NACK[:3], "--nack: needs --subject SUBJECT and --nack-creds FILE beside it"),
        (("--subject", "a"), "--nack: needs --subject SUBJECT and --nack-creds FILE beside it"),
        ((*NACK, "--subject", "a.>"), "--subject: 'a.>' is none to publish to; give one such as orders.doctor"),
        ((*NACK, "--subject", "a b"), "--subject: 'a b' is none to publish to"),
        ((*NACK, "--nack", "a.b"), "--nack: 'a.b' is no name of a stream; give one such as EVENTS"),
        ((*NACK, "--nack", "*"), "--nack: '*' is no name of a stream"),
        ((*NACK[:5], *NACK[7:]), "--nack: somebody has to publish; give --token FILE or --serviceaccount"),
        ((*NACK, "--nack-creds", "token"), "--nack-creds: token has no block"),
    ],
)
def test_what_cannot_be_used_is_one_line(here: Path, words: tuple[str, ...], line: str) -> None:
    """It names the option, and says what to give."""
    (here / "empty").mkdir()
    (here / "blank").write_text(" \n")
    assert refusal(*words).startswith(line.replace("{here}", str(here)))


def test_a_folder_has_an_end(here: Path) -> None:
    """One that holds more is refused, and not read in part: what was left out would be missed later."""
    folder = here / "many"
    folder.mkdir()
    for number in range(MAX_FILES + 1):
        (folder / f"{number}.jwt").touch()
    assert f"--accounts: many has more than {MAX_FILES} JWTs below it" in refusal("--accounts", "many")


def test_a_pipe_is_not_waited_for(here: Path) -> None:
    """But for a token, which may come from one (`--token <(kubectl create token …)`)."""
    os.mkfifo(here / "pipe")
    for option in ("--accounts", "--sentinel", "--sys-creds"):
        assert "not a regular file" in refusal(option, "pipe")


def test_a_jwt_that_nobody_has_signed_is_none(here: Path) -> None:
    """It would be believed where the server does not believe it."""
    head, _, signature = FIRST.split(".")
    _, claims, _ = SECOND.split(".")
    (here / "damaged").write_text(f"{head}.{claims}.{signature}")
    assert "holds no JWT of an account" in refusal("--accounts", "damaged")


@pytest.mark.usefixtures("here")
def test_no_secret_is_shown() -> None:
    """A request holds a token and logins, and hides itself."""
    assert "Request(***)" == repr(read(*NACK))
