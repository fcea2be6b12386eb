"""What the user gets to try: commands that work anywhere, and no secret in any of them."""

import shlex
from pathlib import Path

import pytest

from callout.demo.handout import hand_out
from callout.demo.issuer import LocalIssuer
from callout.demo.tokens import ISSUER, Tokens
from tests.commands import run

EXAMPLES = Path(__file__).parents[3] / "k8s" / "examples" / "serviceaccounts"
URL = "nats://127.0.0.1:4222"


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    """For the ServiceAccounts of the examples."""
    issuer = LocalIssuer(ISSUER)
    return Tokens(issuer, issuer, EXAMPLES, "nats.io/")


def test_tokens_stand_in_private_files(tmp_path: Path, tokens: Tokens) -> None:
    """A command reads them from there, as a pod does; none is printed, and none becomes an argument."""
    commands = hand_out(tmp_path, URL, tokens, {}, "orders/checkout")
    for name in ("checkout", "invoicer"):
        file = tmp_path / f"{name}.token"
        assert 0o600 == file.stat().st_mode & 0o777
        assert file.read_text().startswith("eyJ")
        assert any(f'NATS_TOKEN="$(cat {file})" ' in command for command in commands)
    assert "eyJ" not in "".join(commands)
    assert '--token "' not in "".join(commands)


def test_the_settings_come_back_as_they_were(tmp_path: Path, tokens: Tokens) -> None:
    """Whatever is in a value, a shell reads it as it was written."""
    folder = tmp_path / "a folder; with 'odd' letters"
    folder.mkdir()
    settings = {"NATS_URL": "nats://callout:p'a $(false) \"x@127.0.0.1", "JWT_ISSUER": "https://issuer"}
    command = hand_out(folder, URL, tokens, settings, "orders/checkout")[2]
    source = command.partition("\n")[0].removeprefix("(")
    assert source.startswith("set -a; . ")  # as for every file of settings
    said = run(["bash", "-c", f"{source}\nprintenv NATS_URL JWT_ISSUER"])
    assert list(settings.values()) == said.splitlines()
    assert 0o600 == (folder / "settings.env").stat().st_mode & 0o777


def test_the_example_is_explained(tmp_path: Path, tokens: Tokens) -> None:
    """By the very program that runs, from whatever folder."""
    command = hand_out(tmp_path, URL, tokens, {}, "billing/legacy-import")[2]
    words = shlex.split(command.splitlines()[1].removesuffix(")"))
    assert ["explain", "--serviceaccount", "billing/legacy-import"] == words[1:]
    assert Path(words[0]).is_absolute()


def test_the_doctor_is_a_client_with_a_token_that_is_there(tmp_path: Path, tokens: Tokens) -> None:
    """So it works at once, on a deployment in which nothing is wrong."""
    evidence = ["--metrics-url", "http://127.0.0.1:8080/metrics", "--accounts", "a folder/nats.conf"]
    command = hand_out(tmp_path, URL, tokens, {}, "billing/legacy-import", evidence)[3]
    words = shlex.split(command.splitlines()[1].removesuffix(")"))
    assert ["doctor", "--live", "--token", str(tmp_path / "checkout.token"), *evidence] == words[1:]
    assert Path(words[4]).is_file()


def test_no_command_prints_a_password(tmp_path: Path, tokens: Tokens) -> None:
    """That of the service's user stands in nats.conf and in the settings."""
    *_, read = hand_out(tmp_path, URL, tokens, {}, "orders/checkout")
    assert ["tail", str(tmp_path / "service.log"), str(tmp_path / "nats.log")] == shlex.split(read)
