"""The command line: one line for a mistake, quiet ends, and nothing imported before it is needed."""

import argparse
import os
import signal
import sys
from collections.abc import Iterator

import pytest

from callout import cli
from callout.errors import CommandError
from tests.commands import Running, start
from tests.pages import ROOT
from workers.dumps import CORE_BYTES

MAIN = "import sys; from callout.cli import main; sys.exit(main())"


def start_main(*arguments: str, code: str = MAIN) -> Running:
    """Start the command in a process of its own, in an empty environment."""
    return start([sys.executable, "-c", code, *arguments], env={"PATH": os.defpath})


class Fake:
    """A command whose end a test decides; it stands in for the module of one."""

    def __init__(self, error: BaseException | None = None) -> None:
        self._error = error

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take one option."""
        parser.add_argument("--code", type=int, default=0)

    def run(self, args: argparse.Namespace) -> int:
        """End as told."""
        if self._error is not None:
            raise self._error
        code: int = args.code
        return code


@pytest.fixture
def command(request: pytest.FixtureRequest) -> Iterator[str]:
    """A command of the table, whose module is a `Fake` that raises the parameter, if there is one."""
    name, error = "fake", getattr(request, "param", None)
    sys.modules["callout_fake_command"] = Fake(error)  # type: ignore[assignment]  # what an import finds
    cli.COMMANDS[name] = ("callout_fake_command", "stand in for a command")
    yield name
    del sys.modules["callout_fake_command"], cli.COMMANDS[name]


@pytest.mark.parametrize("arguments", [("slow",), ("--version",)])
def test_no_command_dumps_its_memory(arguments: tuple[str, ...]) -> None:
    """Many read keys: the limit is set before it is known which command it is."""
    code = (
        "import resource, sys, types; from callout import cli; module = types.ModuleType('slow');"
        "module.add_arguments = lambda parser: None; module.run = lambda args: 0;"
        "sys.modules['slow'] = module; cli.COMMANDS['slow'] = ('slow', '');"
        "cli.main(); print(resource.getrlimit(resource.RLIMIT_CORE))"
    )
    out, err = start_main(*arguments, code=code).communicate(timeout=60)
    assert "" == err
    assert str((CORE_BYTES, CORE_BYTES)) == out.splitlines()[-1]


def test_a_commands_exit_code_is_the_processes(command: str) -> None:
    """What `run` returns is what the shell sees."""
    assert cli.main([command, "--code", "7"]) == 7


@pytest.mark.parametrize("command", [CommandError("no key", exit_code=2, warnings=("odd",))], indirect=True)
def test_a_failure_is_a_line_on_standard_error(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Warnings first, since they may explain it; no traceback."""
    assert cli.main([command]) == 2
    assert ("", "callout: warning: odd\ncallout: no key\n") == capsys.readouterr()


@pytest.mark.parametrize("command", [CommandError("one", "two")], indirect=True)
def test_several_failures_are_a_line_each(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 unless the error says otherwise: something outside failed."""
    assert cli.main([command]) == 1
    assert capsys.readouterr().err == "callout: one\ncallout: two\n"


@pytest.mark.parametrize("command", [KeyboardInterrupt()], indirect=True)
def test_ctrl_c_ends_a_command_without_a_word(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is the one that shells give to an interrupted process."""
    assert cli.main([command]) == 128 + signal.SIGINT
    assert ("", "") == capsys.readouterr()


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["nope"], "callout: argument COMMAND: invalid choice: 'nope' (choose from "),
        ([], "callout: the following arguments are required: COMMAND; 'callout --help' says more"),
        (["--nope"], "callout: the following arguments are required: COMMAND; 'callout --help' says more"),
        (["config", "--nope"], "callout: unrecognized arguments: --nope; 'callout config --help' says more"),
        (["config", "a\nb"], "callout: unrecognized arguments: a b; 'callout config --help' says more"),
        (["--port=1", "config"], "callout: unrecognized arguments: --port=1; 'callout --help' says more"),
    ],
)
def test_a_wrong_command_line_is_one_line(argv: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and where to read on."""
    assert cli.main(argv) == 2
    out, err = capsys.readouterr()
    assert not out
    assert len(err.splitlines()) == 1
    assert err.startswith(line)


def test_a_command_after_two_dashes_is_run_or_refused(command: str) -> None:
    """Versions of argparse differ in what they take for a command; none of them makes us run what was not loaded."""
    assert cli.main(["--", command]) in {0, 2}


def test_the_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    """It is looked up, not written down twice."""
    assert cli.main(["--version"]) == 0
    name, version = capsys.readouterr().out.split()
    assert name == "callout"
    assert f'version = "{version}"' in (ROOT / "pyproject.toml").read_text()


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with what it does."""
    assert cli.main(["--help"]) == 0
    page = capsys.readouterr().out
    assert {"serve", "demo", "config", "explain", "bootstrap", "doctor"} == cli.COMMANDS.keys()
    assert all(f"\n    {name}" in page and text in " ".join(page.split()) for name, (_, text) in cli.COMMANDS.items())


def test_the_help_imports_no_command() -> None:
    """Reading the help must not take the second that NATS and Kubernetes libraries take to load."""
    code = (
        "import sys; from callout.cli import main; main(['--help']); print(*sorted(m for m in sys.modules if '.' in m))"
    )
    out, err = start_main(code=code).communicate(timeout=60)
    loaded = out.splitlines()[-1].split()
    assert not err
    assert ["callout.cli", "callout.errors", "callout.printable", "workers.dumps"] == [
        name for name in loaded if name.startswith(("callout.", "workers."))
    ]
    assert not {name.partition(".")[0] for name in loaded} & {"nats", "kubernetes", "yaml", "msgspec", "lmdb", "uvloop"}


def test_a_reader_that_goes_away_ends_a_command_quietly() -> None:
    """`callout config --help | head -1` shows a line and no complaint."""
    process = start_main("config", "--help", code="import sys; sys.stdin.read(0); " + MAIN)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 128 + signal.SIGPIPE
    process.stderr.close()


def test_an_interrupted_process_ends_quietly() -> None:
    """A real Ctrl-C, in the middle of a command.

    It sleeps a little again and again: a signal that comes just before a wait without end does not end that.
    """
    code = (
        "import itertools, sys, time, types; from callout import cli; module = types.ModuleType('slow');"
        "module.add_arguments = lambda parser: None;"
        "module.run = lambda args: (print('running', flush=True), [time.sleep(0.01) for _ in itertools.count()]);"
        "sys.modules['slow'] = module; cli.COMMANDS['slow'] = ('slow', ''); sys.exit(cli.main(['slow']))"
    )
    process = start_main(code=code)
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert ("", "") == (out, err)
    assert 128 + signal.SIGINT == process.returncode
