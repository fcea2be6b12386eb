"""What is deployed, as the arguments say it: read before anything is connected to."""

import argparse
from pathlib import Path

import pytest

from perf.generator.target import Target, add_arguments, find_deployed
from perf.generator.wire import Login
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
        "glued": "a.b.c\na.b.cd.e.f\n",
        "key.pem": "-----BEGIN PRIVATE KEY-----\nconspicuous\n-----END PRIVATE KEY-----\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "binary").write_bytes(b"\xff")
    Authority(tmp_path, hosts=("nats.example",))
    return tmp_path


def find(folder: Path, arguments: str) -> Target:
    """Read arguments in which files of the folder are named as `@name`."""
    parser = argparse.ArgumentParser()
    add_arguments(parser, direct=True, connecting=True)
    given = f"--tokens=@tokens --callout-account={ACCOUNT.public} --creds=@login {arguments}"
    target = find_deployed(parser.parse_args(given.replace("=@", f"={folder}/").split()), direct=True)
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
        ("--nats-url=nats://a --creds=@tokens", "--creds names a file that has no block"),
        ("--nats-url=nats://a --creds=@missing", "--creds names a file that cannot be read: no such file"),
        ("--nats-url=nats://a --sentinel=@missing", "--sentinel names a file that cannot be read: no such file"),
        ("--nats-url=nats://a --sentinel=@tokens", "--sentinel names a file that does not hold one JWT"),
        ("--nats-url=nats://a --sentinel=@two.jwt", "--sentinel names a file that does not hold one JWT"),
        ("--nats-url=nats://a --tokens=@missing", "--tokens names a file that cannot be read: no such file"),
        ("--nats-url=nats://a --tokens=@binary", "--tokens names a file that holds no text"),
        ("--nats-url=nats://a --tokens=@glued", "line 2 is none: two without a line end between them"),
        ("--nats-url=nats://a --ca-file=@cluster-ca.crt", "--ca-file is for addresses with TLS"),
        ("--nats-url=tls://a --ca-file=@missing", "--ca-file names a file that cannot be read: no such file"),
        ("--nats-url=tls://a --ca-file=@tokens", "--ca-file names a file that holds no certificate"),
        ("--nats-url=tls://a --ca-file=@key.pem", "--ca-file names a file that holds no certificate"),
        ("--nats-url=http://a", "--nats-url has to be one address of the form nats://host:port or tls://host:port"),
        ("--nats-url=", "--nats-url has to be one address of the form nats://host:port or tls://host:port"),
        ("--nats-url=nats://a --callout-account=U", "--callout-account has to be the public key"),
    ],
)
def test_what_cannot_be_used_is_one_line(folder: Path, arguments: str, complaint: str) -> None:
    """It names the argument, and shows nothing of a file nor its path."""
    with pytest.raises(ValueError, match=r"^[^\n]+$") as refused:
        find(folder, arguments)
    assert complaint in str(refused.value)
    assert str(folder) not in str(refused.value)


@pytest.mark.parametrize("option", ["tokens", "creds", "sentinel", "ca-file"])
@pytest.mark.parametrize("secret", ["eyJhbGciOiJSUzI1NiJ9.conspicuous", "perf:conspicuous", "conspicuous" * 500])
def test_a_secret_in_the_place_of_a_path_is_not_repeated(folder: Path, option: str, secret: str) -> None:
    """Somebody who gives what stands in the file, and not its name, does not find it in a log afterwards."""
    with pytest.raises(ValueError, match=rf"^--{option} names a file that cannot be read: ") as refused:
        find(folder, f"--nats-url=tls://a --{option}={secret}")
    assert "conspicuous" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "option"),
    [
        ("nats://perf:cons/picuous@a", "nats-url"),
        ("nats://conspicuous@a:4222", "nats-url"),
        ("nats://a:conspicuous", "nats-url"),
        ("ws://perf:cons/picuous@a", "ws-url"),
        ("ws://a:conspicuous", "ws-url"),
        ("mqtt://perf:conspicuous@a", "mqtt-url"),
    ],
)
def test_nothing_of_an_address_is_repeated(folder: Path, url: str, option: str) -> None:
    """A password in it may stand anywhere, as a port too."""
    with pytest.raises(ValueError, match=rf"^--{option} h") as refused:
        find(folder, f"--nats-url=nats://a --{option}={url}")
    assert "picuous" not in str(refused.value)


def test_who_connects_does_not_stand_in_an_address(folder: Path) -> None:
    """Anybody may read a command line: a file holds user and password, and clients have their tokens."""
    with pytest.raises(ValueError, match=r"holds a user or password.*--creds names a file with them$"):
        find(folder, "--nats-url=nats://u:p@a")
    parser = argparse.ArgumentParser()
    add_arguments(parser, direct=False, connecting=True)
    options = parser.parse_args(["--nats-url=nats://u:p@a", f"--tokens={folder / 'tokens'}"])
    with pytest.raises(ValueError, match=r"clients log in with their tokens$"):
        find_deployed(options, direct=False)


@pytest.mark.parametrize("missing", ["creds", "callout-account"])
def test_what_is_missing_is_said_before_anything_is_connected_to(folder: Path, missing: str) -> None:
    """Whoever asks straight at the subject needs both."""
    parser = argparse.ArgumentParser()
    add_arguments(parser, direct=True, connecting=False)
    given = {"tokens": folder / "tokens", "creds": folder / "login", "callout-account": ACCOUNT.public}
    del given[missing]
    words = [f"--{name}={value}" for name, value in given.items()]
    with pytest.raises(ValueError, match=rf"^--{missing} is needed: "):
        find_deployed(parser.parse_args(["--nats-url=nats://a", *words]), direct=True)
