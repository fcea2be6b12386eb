"""`callout bootstrap`: what it does with its arguments, and how it ends."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from callout.cli import main
from callout.secret import looks_secret
from tests.callout.bootstrap.nsc_like import write_store
from tests.callout.bootstrap.on_disk import names, picture
from tests.callout.bootstrap.sample import deploy

Run = Callable[..., tuple[int, str, str]]
WRONG_USAGE = 2


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command: exit code, standard output, standard error. No secret is ever printed."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = main(["bootstrap", *map(str, arguments)])
        out, err = capsys.readouterr()
        assert not looks_secret(out + err)
        return code, out, err

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where it is made."""
    return tmp_path / "nats"


def test_a_deployment_is_made_and_shown(run: Run, folder: Path) -> None:
    """All that is written is in the list."""
    code, out, err = run(folder)
    assert (0, "") == (code, err)
    assert f"Made operator nats with SYS, AUTH_SERVICE, AUTH_ACCOUNT, NACK in {folder}:" in out
    assert names(folder) == {line.split()[0].rstrip("/") for line in out.splitlines()[1:11]}


@pytest.mark.parametrize("options", [(), ("--resolver", "full", "--nack", "service", "--xkey", "--js-disk", "1Gi")])
def test_again_changes_nothing(run: Run, folder: Path, options: tuple[str, ...]) -> None:
    """To the byte, with the same options or none, and without the keys that may be elsewhere."""
    run(folder, *options)
    shutil.rmtree(folder / "offline")
    first = picture(folder)
    for again in ((), options):
        assert (0, f"{folder} is as it was made; nothing was changed.\n", "") == run(folder, *again)
        assert first == picture(folder)


def test_other_options_are_refused(run: Run, folder: Path) -> None:
    """The line says what differs, and what to do."""
    run(folder, "--nack", "import")
    first = picture(folder)
    code, out, err = run(folder, "--nack", "service", "--xkey")
    assert (WRONG_USAGE, "") == (code, out)
    assert f"callout: {folder} was made with --nack import, not service; no --xkey; leave that out" in err
    assert first == picture(folder)


def test_what_is_missing_is_made_again(run: Run, folder: Path) -> None:
    """The same as before."""
    run(folder)
    first = {name: one[0] for name, one in picture(folder).items()}
    (folder / "nats.conf").unlink()
    shutil.rmtree(folder / "helm")
    code, out, _ = run(folder)
    assert 0 == code
    assert "written again: nats.conf, " in out
    assert first == {name: one[0] for name, one in picture(folder).items()}


def test_an_edit_is_kept_and_told(run: Run, folder: Path) -> None:
    """It may be meant."""
    run(folder)
    (folder / "nats.conf").write_text("mine")
    code, out, err = run(folder)
    assert (0, f"callout: warning: {folder}/nats.conf is not as it was made; it was left as it is\n") == (code, err)
    assert f"{folder} is as it was made but for what was edited; nothing was changed.\n" == out
    assert "mine" == (folder / "nats.conf").read_text()


def test_a_key_is_rotated_and_retired(run: Run, folder: Path) -> None:
    """Each step once, and in this order; an edited file is not overwritten."""
    run(folder)
    with (folder / "nats.conf").open("a") as config:
        config.write("# mine\n")
    assert WRONG_USAGE == run(folder, "--retire", "AUTH_ACCOUNT")[0]
    code, out, err = run(folder, "--rotate", "AUTH_ACCOUNT")
    assert 0 == code
    assert "the old one" in out
    assert "nats.conf was edited and was left as it is; carry the edits over to nats.conf.new" in err
    assert WRONG_USAGE == run(folder, "--rotate", "AUTH_ACCOUNT")[0]
    (folder / "nats.conf.new").rename(folder / "nats.conf")
    assert "--retire AUTH_ACCOUNT ends that" in run(folder)[1]
    assert 0 == run(folder, "--retire", "AUTH_ACCOUNT", "--now")[0]
    assert (0, f"{folder} is as it was made; nothing was changed.\n", "") == run(folder)
    assert not (folder / "seeds/AUTH_ACCOUNT-signing-1.nk").exists()


def test_a_key_whose_logins_may_last_is_retired_only_when_asked_for_so(run: Run, folder: Path) -> None:
    """nats-server would end them; nothing is changed until then, or until it is meant."""
    run(folder)
    run(folder, "--rotate", "AUTH_ACCOUNT")
    before = picture(folder)
    code, out, err = run(folder, "--retire", "AUTH_ACCOUNT")
    assert (WRONG_USAGE, "", 1) == (code, out, err.count("\n"))
    assert err.startswith("callout: logins by the old signing key of AUTH_ACCOUNT may last until ")
    assert before == picture(folder)
    assert 0 == run(folder, "--retire", "AUTH_ACCOUNT", "--now")[0]


def test_no_key_is_replaced_while_something_is_measured(run: Run, folder: Path) -> None:
    """nats-server may go on reading the accounts that stand there, and would not learn of a withdrawn key."""
    run(folder)
    measuring = folder / "perf"
    measuring.mkdir()
    before = picture(folder)
    for option in ("--rotate", "--retire"):
        code, out, err = run(folder, option, "AUTH_SERVICE")
        assert (WRONG_USAGE, "") == (code, out)
        assert err.startswith(f"callout: {measuring} holds the accounts as they are")
        assert f"python -m perf.account {folder} --undo" in err
    assert before == picture(folder)
    assert 0 == run(folder)[0]
    measuring.rmdir()
    assert 0 == run(folder, "--rotate", "AUTH_SERVICE")[0]


@pytest.mark.parametrize("name", ["callout.env", "kubernetes/secrets.yaml"])
def test_a_key_that_is_still_signed_with_is_not_retired(run: Run, folder: Path, name: str) -> None:
    """Nothing is changed until the edited file has the new key; then the old one goes."""
    run(folder)
    with (folder / name).open("a") as edited:
        edited.write("# mine\n")
    _, out, _ = run(folder, "--rotate", "AUTH_ACCOUNT")
    assert f"mv {folder}/{name}.new {folder}/{name}\n" in out
    first = picture(folder)
    code, out, err = run(folder, "--retire", "AUTH_ACCOUNT")
    assert (WRONG_USAGE, "", 1) == (code, out, err.count("\n"))
    assert f"{folder}/{name} still has AUTH_ACCOUNT-signing-1.nk" in err
    assert f"first take {Path(name).name}.new, with your edits" in err
    assert first == picture(folder)
    (folder / f"{name}.new").rename(folder / name)
    assert 0 == run(folder, "--retire", "AUTH_ACCOUNT", "--now")[0]


def test_a_new_file_that_is_gone_is_not_referred_to(run: Run, folder: Path) -> None:
    """Then the line says which key the edited file has to name, and a comment may go on naming the old one."""
    run(folder)
    environment = folder / "callout.env"
    environment.write_text(environment.read_text() + "# mine\n")
    run(folder, "--rotate", "AUTH_SERVICE")
    (folder / "callout.env.new").unlink()
    code, _, err = run(folder, "--retire", "AUTH_SERVICE")
    assert WRONG_USAGE == code
    assert "first put AUTH_SERVICE-signing-2.nk there" in err
    old, new = (f"seeds/AUTH_SERVICE-signing-{number}.nk" for number in (1, 2))
    environment.write_text(f"  # was {old}\n{environment.read_text().replace(old, new)}")
    assert 0 == run(folder, "--retire", "AUTH_SERVICE")[0]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--nack", "beside"),
        ("--operator", "a b"),
        ("--client-account", "A.B"),
        ("--client-account", "SYS"),
        ("--events", "$JS.>"),
        ("--listen", "4222"),
        ("--js-disk", "much"),
        ("--namespace", "Nats"),
        ("--rotate", "AUTH_ACCOUNT"),
        ("--retire", "AUTH_ACCOUNT"),
        ("--now",),
        ("--rotate", "AUTH_ACCOUNT", "--now"),
        ("--from-nsc", "missing"),
    ],
)
def test_what_is_wrong_takes_one_line(run: Run, folder: Path, arguments: tuple[str, ...]) -> None:
    """Exit code 2, and nothing is written."""
    code, out, err = run(*([folder] if arguments and arguments[0] != "--from-nsc" else []), *arguments)
    assert (WRONG_USAGE, "", 1) == (code, out, err.count("\n"))
    assert err.startswith("callout: ")
    assert not folder.exists()


def test_somebody_elses_folder_is_left_alone(run: Run, folder: Path) -> None:
    """One line, exit code 2."""
    folder.mkdir()
    (folder / "file").write_text("mine")
    code, _, err = run(folder)
    assert (WRONG_USAGE, 1) == (code, err.count("\n"))
    assert "is not empty and was not made by this command; give the path of a new one" in err
    assert {"file"} == names(folder)


def test_a_folder_that_cannot_be_made_takes_one_line(run: Run, tmp_path: Path) -> None:
    """The system's own reason is in it."""
    (tmp_path / "file").touch()
    code, _, err = run(tmp_path / "file/nats")
    assert (1, 1) == (code, err.count("\n"))
    assert "cannot be written: file exists" in err


def test_the_commands_for_nsc_are_printed(run: Run, tmp_path: Path) -> None:
    """And nothing is written."""
    write_store(tmp_path / "stores", deploy())
    first = picture(tmp_path)
    code, out, err = run("--from-nsc", tmp_path / "stores", "--nack", "import")
    assert (0, "") == (code, err)
    assert "  nsc add export --account AUTH_ACCOUNT --name 'events.>' --subject 'events.>'\n" in out
    assert first == picture(tmp_path)
    assert WRONG_USAGE == run("--from-nsc", tmp_path / "stores", tmp_path / "nats")[0]


@pytest.mark.parametrize("name", ["", "loop", "loop/below", "new\nline", "\x1b[31m", "x" * 300, "\udcff", "null\0"])
def test_a_path_that_cannot_be_used_takes_one_line(run: Run, tmp_path: Path, name: str) -> None:
    """Not even part of it goes on in another line; and nothing is not the current folder."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    code, out, err = run(f"{tmp_path}/{name}" if name else "")
    assert code in (1, WRONG_USAGE)
    assert ("", 1) == (out, err.count("\n"))
    assert err.rstrip("\n").isprintable()
    assert {"loop"} == names(tmp_path)


def test_a_seed_that_others_may_read_is_told(run: Run, folder: Path) -> None:
    """It is left as it is: whoever has done that may have had a reason."""
    run(folder)
    seed = folder / "seeds/AUTH_ACCOUNT-signing-1.nk"
    seed.chmod(0o644)
    code, _, err = run(folder)
    assert (0, f"callout: warning: {seed} has a mode that lets others read it; chmod 600 it\n") == (code, err)
    assert 0o644 == seed.stat().st_mode & 0o777


def test_a_folder_of_somebody_else_writes_nowhere_else(run: Run, folder: Path, tmp_path: Path) -> None:
    """Whatever its record says."""
    run(folder)
    record = folder / "bootstrap.json"
    record.write_text(record.read_text().replace('"AUTH_ACCOUNT"', '"../../evil"'))
    for seed in ("seeds/AUTH_ACCOUNT-signing-1.nk", "offline/AUTH_ACCOUNT.nk"):
        (tmp_path / "evil-signing-1.nk").write_bytes((folder / seed).read_bytes())
    code, _, err = run(folder)
    assert (WRONG_USAGE, 1) == (code, err.count("\n"))
    assert {"nats", "evil-signing-1.nk"} == names(tmp_path)


def test_the_same_seeds_are_never_made_twice(run: Run, tmp_path: Path) -> None:
    """All keys are new in a new folder."""
    for name in ("one", "other"):
        run(tmp_path / name, "--xkey")
    one, other = (picture(tmp_path / name) for name in ("one", "other"))
    secret = [name for name in one if name.startswith(("seeds/", "offline/")) and name.endswith(".nk")]
    assert 11 == len(secret)
    assert len(secret) * 2 == len({made[name][0] for made in (one, other) for name in secret})


def test_all_secrets_are_their_owners_alone(run: Run, folder: Path) -> None:
    """Whatever holds a seed, wherever it stands; and what does not may be read."""
    run(folder, "--xkey", "--resolver", "full")
    for name, (content, mode, _) in picture(folder).items():
        is_secret = re.search(rb"(?<![A-Z0-9])S[AOUNX][A-Z2-7]{56}(?![A-Z0-9])", content) is not None
        assert (0o600 if is_secret else 0o644) == mode, name
