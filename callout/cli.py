"""The command `callout`: finds the command that is meant, runs it, and turns its end into an exit code.

Rules kept here:
- A module is imported when its command is run, and no sooner: `callout --help` answers at once.
- What a user got wrong ends in one line for each thing, on standard error; exit code 2 if starting again cannot help.
- No command dumps its memory: which of them will hold keys is not known before they read their files.
- Ctrl-C, and a reader that goes away (`callout config | head`), end a command without a word.
"""

import argparse
import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from callout import DISTRIBUTION
from callout.errors import EXIT_WRONG_USAGE, CommandError, print_problems
from workers.dumps import forbid_dumps

COMMANDS = {
    "serve": ("callout.serve", "run the service, with settings from the environment"),
    "demo": ("callout.demo.command", "run it against a local NATS server, with clients that show what is allowed"),
    "config": ("callout.preflight.command", "show the settings in force and say whether they are valid"),
    "bootstrap": ("callout.bootstrap.command", "make a whole operator-mode deployment in one folder, without nsc"),
    "explain": ("callout.explain.command", "show what a token or a ServiceAccount would get, and why"),
    "doctor": ("callout.doctor.command", "find out why it does not work, and what mends it"),
}
"""Each command with its module, which has `add_arguments(parser)` and `run(args) -> int`, and what it does."""

# What a shell reports for a process that died of the signal.
_INTERRUPTED = 128 + signal.SIGINT
_READER_GONE = 128 + signal.SIGPIPE


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors take one line."""

    def error(self, message: str) -> NoReturn:
        line = " ".join(message.split())
        self.exit(EXIT_WRONG_USAGE, f"callout: {line}; '{self.prog} --help' says more\n")


class _Version(argparse.Action):
    """Prints the version, which is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        version = importlib.import_module("importlib.metadata").version(DISTRIBUTION)
        print(f"callout {version}")
        parser.exit()


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line, that of the process by default, and return the exit code."""
    if argv is None:  # otherwise the process is somebody else's
        forbid_dumps()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show ends no command
    try:
        code = _run(arguments)
        sys.stdout.flush()  # here, where a reader that is gone can still be dealt with
    except CommandError as error:
        print_problems(error.lines, error.warnings)
        return error.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The interpreter would try to write the rest once more at its end, and complain (docs.python.org, SIGPIPE).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _READER_GONE
    return code


def _run(arguments: list[str]) -> int:
    parser = _Parser(prog="callout", description="NATS logins for Kubernetes ServiceAccounts.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and leave")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, (_, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary[:1].upper()}{summary[1:]}.")
        if name == chosen:
            module: Any = importlib.import_module(COMMANDS[name][0])
            module.add_arguments(command)
    try:
        args, strange = parser.parse_known_args(arguments)
        if strange:
            # Whoever has named a command wants the help of that one, unless it was named too late.
            before = arguments[: arguments.index(args.command)]
            speaker = parser if strange[0] in before else commands.choices[args.command]
            speaker.error(f"unrecognized arguments: {' '.join(strange)}")
    except SystemExit as end:  # --help, --version, or a command line that cannot be read
        return end.code if isinstance(end.code, int) else 0
    result: int = module.run(args)
    return result
