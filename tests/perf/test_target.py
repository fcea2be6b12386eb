"""What is deployed, as the arguments say it: read before anything is connected to."""

import argparse
from pathlib import Path

import pytest

from perf.target import Target, add_arguments, find_deployed
from perf.wire import Login
from tests.authority import Authority
from tests.minting import CurveKey, NatsKey
from tests.nats_minting import creds, sentinel_jwt, user_jwt

ACCOUNT = NatsKey.generate("account")
USER = NatsKey.generate("user")
CURVE = CurveKey.generate().public


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the arguments name."""
    sentinel = sentinel_jwt(USER.public, ACCOUNT)
    files = {
        "tokens": "a.b.c\n",
        "login": "perf:a:b\n",
        "user.creds": creds(user_jwt(USER.public, ACCOUNT), USER.seed),
        "sentinel.jwt": f"{sentinel}\n",
        "sentinel.creds": creds(sentinel, USER.seed),
        "two.jwt": f"{sentinel}\n{sentinel}\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    Authority(tmp_path, hosts=("nats.example",))
    return tmp_path


def find(folder: Path, arguments: str) -> Target:
    """Read arguments in which files of the folder are named as `@name`."""
    parser = argparse.ArgumentParser()
    add_arguments(parser, direct=True, connecting=True)
    given = f"--tokens=@tokens --callout-account={ACCOUNT.public} {arguments}".replace("@", f"{folder}/")
    target = find_deployed(parser.parse_args(given.split()), direct=True)
    assert target is not None
    return target


def test_who_asks_stands_in_a_file(folder: Path) -> None:
    """A line `user:password`, or credentials: neither is in the list of processes then."""
    assert Login({"user": "perf", "pass": "a:b"}) == find(folder, "--nats-url=nats://a --creds=@login").login
    login = find(folder, "--nats-url=nats://a --creds=@user.creds").login
    assert login is not None
    assert login.key is not None
    assert (USER.public, ["jwt"]) == (login.key.public, list(login.members))


@pytest.mark.parametrize("name", ["sentinel.jwt", "sentinel.creds"])
def test_a_sentinel_is_a_jwt_or_credentials(folder: Path, name: str) -> None:
    """Of which the JWT is shown."""
    expected = (folder / "sentinel.jwt").read_text().strip()
    assert expected == find(folder, f"--nats-url=nats://a --sentinel=@{name}").sentinel


def test_a_port_need_not_be_said(folder: Path) -> None:
    """Each scheme has its own."""
    plain = find(folder, "--nats-url=nats://a --ws-url=ws://a --mqtt-url=mqtt://a")
    encrypted = find(folder, "--nats-url=tls://a --ws-url=wss://a --mqtt-url=tls://a --ca-file=@cluster-ca.crt")
    assert {"nats": 4222, "ws": 80, "mqtt": 1883} == {name: one.port for name, one in plain.addresses.items()}
    assert {"nats": 4222, "ws": 443, "mqtt": 8883} == {name: one.port for name, one in encrypted.addresses.items()}
    assert {None} == {one.tls for one in plain.addresses.values()}
    assert None not in {one.tls for one in encrypted.addresses.values()}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("--xkey=XABC --nats-url=nats://a", "--xkey has to be the public curve key"),
        (f"--xkey={CURVE[:-1]}{'A' if CURVE[-1] != 'A' else 'B'} --nats-url=nats://a", "--xkey has to be the public"),
        (f"--xkey={ACCOUNT.public} --nats-url=nats://a", "--xkey has to be the public curve key"),
        (f"--xkey={CURVE}", "needs --nats-url"),
        ("--nats-url=nats://a --creds=@tokens", "--creds cannot be used"),
        ("--nats-url=nats://a --creds=@missing", "cannot be read"),
        ("--nats-url=nats://a --sentinel=@tokens", "--sentinel names a file that does not hold one JWT"),
        ("--nats-url=nats://a --sentinel=@two.jwt", "--sentinel names a file that does not hold one JWT"),
        ("--nats-url=nats://a --ca-file=@cluster-ca.crt", "--ca-file is for addresses with TLS"),
        ("--nats-url=tls://a --ca-file=@missing", "--nats-url or what goes with it"),
        ("--nats-url=tls://a --ca-file=@tokens", "--nats-url or what goes with it"),
    ],
)
def test_what_cannot_be_used_is_one_line(folder: Path, arguments: str, complaint: str) -> None:
    """It names the argument, and shows nothing of a file."""
    with pytest.raises(ValueError, match=r"^[^\n]+$") as refused:
        find(folder, arguments)
    assert complaint in str(refused.value)


def test_two_logins_are_one_too_many(folder: Path) -> None:
    """The server would take one of them, and nobody would know which."""
    parser = argparse.ArgumentParser()
    add_arguments(parser, direct=True, connecting=True)
    names = [f"--creds={folder / 'login'}", f"--tokens={folder / 'tokens'}", f"--callout-account={ACCOUNT.public}"]
    with pytest.raises(ValueError, match="leave user and password out of --nats-url"):
        find_deployed(parser.parse_args(["--nats-url=nats://u:p@a", *names]), direct=True)
