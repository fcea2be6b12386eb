"""What the demo's nats-server and service are told: a real server takes it, and no more is given than is needed."""

from pathlib import Path

import msgspec
import pytest

from callout.config.credentials import read_seed, read_user_credentials
from callout.config.loading import load
from callout.config.table import list_files
from callout.demo.config import Plan, draw_key, make_plan, render_config, write_private, write_seed
from callout.demo.server import find_binary
from callout.secret import Secret
from tests.commands import run
from tests.nats_minting import decode_nats_jwt
from workers.nkeys import Kind
from workers.user_jwt import Mode

NOW = 1_700_000_000
KINDS = pytest.mark.parametrize(("mode", "sealed"), [(mode, sealed) for mode in Mode for sealed in (False, True)])


def parse(config: str) -> dict[str, object]:
    """Read nats.conf as the demo writes it: a name and a JSON value in each line."""
    return {
        name: msgspec.json.decode(value) for name, _, value in (line.partition(": ") for line in config.splitlines())
    }


@KINDS
def test_a_real_server_takes_the_configuration(tmp_path: Path, mode: Mode, sealed: bool) -> None:
    """It says so itself (`-t`)."""
    (tmp_path / "nats.conf").write_text(make_plan(mode, tmp_path, NOW, sealed=sealed).config)
    run([find_binary(), "-t", "-c", tmp_path / "nats.conf"])


@KINDS
def test_the_services_settings_are_valid_and_its_files_private(tmp_path: Path, mode: Mode, sealed: bool) -> None:
    """Each seed is of the right kind, and nobody else may read any."""
    plan = make_plan(mode, tmp_path, NOW, sealed=sealed)
    rest = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "NATS_URL": f"nats://{plan.login.reveal()}127.0.0.1"}
    settings, warnings = load(plan.settings | rest)
    assert [] == warnings
    files = list_files(settings)
    assert sealed is ("NATS_XKEY_FILE" in {setting.name for setting, _, _ in files})
    for _, file, path in files:
        assert (0o600, tmp_path) == (path.stat().st_mode & 0o777, path.parent)
        if file.seed is not None:
            read_seed(path, file.seed)


def test_in_server_mode_the_key_is_the_issuer(tmp_path: Path) -> None:
    """And the service's user may do what it has to, in an account without anything else."""
    plan = make_plan(Mode.SERVER, tmp_path, NOW, sealed=False)
    config = parse(plan.config)
    signing = read_seed(tmp_path / "signing.nk", Kind.ACCOUNT)
    assert {"auth_callout": {"issuer": signing.public, "account": "AUTH", "auth_users": ["callout", "sys"]}} == config[
        "authorization"
    ]
    accounts = config["accounts"]
    assert isinstance(accounts, dict)
    (user,) = accounts["AUTH"]["users"]
    assert {"publish": ["$SYS._INBOX.>"], "subscribe": ["$SYS.REQ.USER.AUTH"]} == user["permissions"]
    assert f"callout:{user['password']}@" == plan.login.reveal()
    assert plan.client_account in accounts


@pytest.mark.parametrize("mode", Mode)
def test_the_doctor_gets_a_user_who_may_ask_the_server_and_no_more(tmp_path: Path, mode: Mode) -> None:
    """In the system account, by a file that nobody else may read; in operator mode the sentinel beside it."""
    plan = make_plan(mode, tmp_path, NOW, sealed=False)
    files = dict(zip(plan.evidence[::2], map(Path, plan.evidence[1::2]), strict=True))
    assert {0o600} == {path.stat().st_mode & 0o777 for path in files.values()}
    publishes = [f"$SYS.REQ.SERVER.PING{page}" for page in ("", ".CONNZ", ".STATSZ", ".SUBSZ")]
    config = parse(plan.config)
    if mode is Mode.SERVER:
        accounts = config["accounts"]
        assert isinstance(accounts, dict)
        (user,) = accounts["SYS"]["users"]
        assert f"sys:{user['password']}" == files["--sys-creds"].read_text().strip()
        assert {"publish": publishes, "subscribe": ["_INBOX.>"]} == user["permissions"]
    else:
        login = read_user_credentials(files["--sys-creds"])
        rights = decode_nats_jwt(login.jwt.reveal())["nats"]
        assert config["system_account"] == login.account
        assert (publishes, ["_INBOX.>"]) == (rights["pub"]["allow"], rights["sub"]["allow"])
        assert config["default_sentinel"] == files["--sentinel"].read_text()


def test_in_operator_mode_the_service_holds_signing_keys_and_a_login(tmp_path: Path) -> None:
    """The key of the clients' account itself is nowhere: a signing key of it is."""
    plan = make_plan(Mode.OPERATOR, tmp_path, NOW, sealed=True)
    jwts = {key: decode_nats_jwt(text) for key, text in read_preload(plan).items()}
    clients = plan.settings["NATS_ACCOUNT"]
    signing = read_seed(tmp_path / "account-signing.nk", Kind.ACCOUNT)
    assert clients != signing.public
    assert [signing.public] == jwts[clients]["nats"]["signing_keys"]
    login = read_user_credentials(tmp_path / "callout.creds")
    envelope = read_seed(tmp_path / "signing.nk", Kind.ACCOUNT)
    assert envelope.public == login.account
    assert {
        "auth_users": [login.key.public],
        "allowed_accounts": [clients],
        "xkey": read_seed(tmp_path / "xkey.nk", Kind.CURVE).public,
    } == jwts[envelope.public]["nats"]["authorization"]
    assert ("AUTH_ACCOUNT", {"SYS", "AUTH_SERVICE", "AUTH_ACCOUNT", "NACK"}) == (
        plan.accounts[clients],
        set(plan.accounts.values()),
    )


def read_preload(plan: Plan) -> dict[str, str]:
    """The accounts' JWTs in nats.conf."""
    return msgspec.convert(parse(plan.config)["resolver_preload"], dict[str, str])


def test_a_plan_shows_no_secret() -> None:
    """Neither in a message nor in a traceback."""
    assert "hunter2" not in repr(Plan("", {}, Secret("callout:hunter2@"), {}, "APP"))


def test_everything_listens_on_the_loopback_alone(tmp_path: Path) -> None:
    """On any port that is free."""
    config = parse(render_config({"more": 1}, tmp_path))
    assert ("127.0.0.1", -1, "127.0.0.1:-1", 1) == tuple(config[name] for name in ("host", "port", "http", "more"))


def test_what_is_written_is_private_from_the_first_moment(tmp_path: Path) -> None:
    """A file that is closed to others only afterwards has been open."""
    path = write_private(tmp_path / "file", Secret("text"))
    assert ("text", 0o600) == (Path(path).read_text(), Path(path).stat().st_mode & 0o777)
    key = draw_key(Kind.CURVE)
    assert key.public == read_seed(Path(write_seed(tmp_path / "seed", key)), Kind.CURVE).public
    assert key.public != draw_key(Kind.CURVE).public


def test_what_is_written_again_is_another_file(tmp_path: Path) -> None:
    """One that others may read does not stay so, and a link leads the text nowhere; nothing else is left behind."""
    wide, link, elsewhere = (tmp_path / name for name in ("wide", "link", "elsewhere"))
    for path in (wide, elsewhere):
        path.write_text("before")
        path.chmod(0o644)
    link.symlink_to(elsewhere)
    for path in (wide, link):
        write_private(path, Secret("text"))
        assert ("text", 0o600) == (path.read_text(), path.lstat().st_mode & 0o777)
    assert "before" == elsewhere.read_text()
    assert {wide, link, elsewhere} == set(tmp_path.iterdir())


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    """The place is a folder, say."""
    place = tmp_path / "place"
    place.mkdir()
    with pytest.raises(IsADirectoryError):
        write_private(place, Secret("text"))
    assert [place] == list(tmp_path.iterdir())
