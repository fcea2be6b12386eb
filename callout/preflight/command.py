"""`callout config`: show the settings in force, and say whether they are valid.

What `callout serve` does at its start, without starting anything: the environment is read, and every file; the network
is not touched. Standard output holds the settings, what the files hold, and the verdict; standard error what is wrong.
Secrets are hidden.
"""

import argparse
import os
import sys

from callout.config.help import describe, markdown_table, show
from callout.config.loading import ConfigError, load
from callout.errors import EXIT_WRONG_USAGE, print_problems
from callout.preflight.checks import check


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments; its help holds every setting."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = "Show the settings in force, secrets hidden, and say whether they are valid (exit code 2: no)."
    parser.epilog = f"Settings, all taken from the environment:\n\n{describe()}"
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
        values = show(settings)
        width = max(len(name) for name in values)
        for name, value in values.items():
            origin = "" if os.environ.get(name, "").strip() else "  (default)"
            sys.stdout.write(f"{name:{width}}  {value or '-'}{origin if value else ''}\n")
        sys.stdout.write("\n")
        report = check(settings)
        warnings += report.warnings
        notes = [*report.facts, *report.notes]
    except ConfigError as error:
        warnings += error.warnings
        problems = error.lines
    sys.stdout.writelines(f"{note}\n" for note in notes)
    sys.stdout.flush()  # so that the lines of both streams stand in order where they end in one place
    print_problems(problems, warnings)
    sys.stdout.write(f"The settings are {'not valid' if problems else 'valid'}.\n")
    return EXIT_WRONG_USAGE if problems else 0
