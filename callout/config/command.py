"""`callout config`: show the settings in force, and say whether they are valid.

What `callout serve` would do at its start, without starting anything: the environment is read, every file is looked at.
Standard output holds the settings and the verdict, standard error what is wrong. Secrets are hidden.
"""

import argparse
import os
import sys

from callout.config.file_checks import check_files
from callout.config.loading import ConfigError, describe, load, markdown_table, show
from callout.errors import EXIT_WRONG_USAGE, print_problems


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
    try:
        settings, warnings = load(os.environ)
        values = show(settings)
        width = max(len(name) for name in values)
        for name, value in values.items():
            origin = "" if os.environ.get(name, "").strip() else "  (default)"
            sys.stdout.write(f"{name:{width}}  {value or '-'}{origin if value else ''}\n")
        warnings += check_files(settings)
    except ConfigError as error:
        warnings += error.warnings
        problems = error.lines
    sys.stdout.flush()  # so that the lines of both streams stand in order where they end in one place
    print_problems(problems, warnings)
    sys.stdout.write(f"The settings are {'not valid' if problems else 'valid'}.\n")
    return EXIT_WRONG_USAGE if problems else 0
