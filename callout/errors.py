"""The one error that ends a command: a line for each thing that is wrong, and an exit code.

Whatever a user can get wrong ends here and is printed by `callout.cli`, never as a traceback. Exit code 2 says
"the settings or the command line are wrong: starting again will not help"; 1 says that something outside failed.
"""

import sys
from collections.abc import Iterable

from callout.printable import make_printable

EXIT_FAILED = 1
EXIT_WRONG_USAGE = 2


class CommandError(Exception):
    """A command cannot go on.

    Attributes:
        lines: what to print, each a whole sentence on one line that says what to do; never holds a secret.
        exit_code: the exit code of the process.
        warnings: lines that may explain the error, such as a misspelt name; printed first.
    """

    def __init__(self, *lines: str, exit_code: int = EXIT_FAILED, warnings: tuple[str, ...] = ()) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
        self.exit_code = exit_code
        self.warnings = warnings


def print_problems(lines: Iterable[str], warnings: Iterable[str]) -> None:
    """Print to standard error what is wrong, one line for each thing; warnings first, since they may explain it."""
    for line in [*(f"warning: {warning}" for warning in warnings), *lines]:
        sys.stderr.write(f"callout: {make_printable(line)}\n")  # a path or a name may hold a line end
