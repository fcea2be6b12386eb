"""`callout config`: show the settings in force, and say whether they are valid.

What `callout serve` does at its start, without starting anything: the environment is read, and every file; the network
is not touched. Standard output holds the settings, what the files hold, and the verdict; standard error what is wrong.
Secrets are hidden.
"""

import argparse
import os
import sys
from collections.abc import Mapping

from callout.config.combinations import NO_POD
from callout.config.help import MISSING, WRONG, describe, markdown_table, show, show_values
from callout.config.loading import ConfigError, load
from callout.errors import EXIT_WRONG_USAGE, print_problems
from callout.preflight.checks import check


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments; its help holds every setting."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = "Show the settings in force, secrets hidden, and say whether they are valid (exit code 2: no)."
    parser.epilog = (
        "Settings, all taken from the environment. A name that looks like one of them and is none, such as a misspelt "
        f"one,\nis warned of and has no effect: what it was meant for is not set.\n\n{describe()}"
    )
    parser.add_argument("--markdown", action="store_true", help="print the README's table of settings instead")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if args.markdown:
        sys.stdout.write(markdown_table())
        return 0
    warnings: list[str] = []
    problems: tuple[str, ...] = ()
    notes: list[str] = []
    try:
        settings, warnings = load(os.environ)
        _print_values(show(settings))
        report = check(settings)
        warnings += [*report.warnings, *report.foreseen]
        notes = [*report.facts, *report.notes]
    except ConfigError as error:
        if error.values:
            _print_values(show_values(error.values))
        warnings += error.warnings
        problems = error.lines
    sys.stdout.writelines(f"{note}\n" for note in notes)
    sys.stdout.flush()  # so that the lines of both streams stand in order where they end in one place
    print_problems(problems, warnings)
    verdict = "valid in a pod, and this is none" if NO_POD in warnings else "valid"
    sys.stdout.write(f"The settings are {'not valid' if problems else verdict}.\n")
    return EXIT_WRONG_USAGE if problems else 0


def _print_values(values: Mapping[str, str]) -> None:
    width = max(len(name) for name in values)
    for name, value in values.items():
        is_default = not os.environ.get(name, "").strip() and value not in ("", WRONG, MISSING)
        sys.stdout.write(f"{name:{width}}  {value or '-'}{'  (default)' if is_default else ''}\n")
    sys.stdout.write("\n")
