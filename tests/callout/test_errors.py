"""callout.errors: what a user got wrong is a line for each thing, and an exit code."""

import pytest

from callout.errors import EXIT_FAILED, EXIT_WRONG_USAGE, CommandError, print_problems


def test_an_error_holds_its_lines_and_code() -> None:
    """Something outside has failed, unless the error says that starting again will not help."""
    error = CommandError("PORT: is taken", "KEY: is empty", warnings=("NATS_ULR: unknown",))
    assert (("PORT: is taken", "KEY: is empty"), EXIT_FAILED) == (error.lines, error.exit_code)
    assert "PORT: is taken\nKEY: is empty" == str(error)
    assert EXIT_WRONG_USAGE == CommandError("x", exit_code=EXIT_WRONG_USAGE).exit_code


def test_warnings_are_printed_first(capsys: pytest.CaptureFixture[str]) -> None:
    """They may explain the error; each line says who speaks."""
    print_problems(["NATS_URL: is required"], ["NATS_ULR: unknown"])
    printed = capsys.readouterr()
    assert ("", "callout: warning: NATS_ULR: unknown\ncallout: NATS_URL: is required\n") == (printed.out, printed.err)


def test_each_problem_takes_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a file or a folder is called."""
    print_problems(["/tmp/new\nline cannot be read"], ["\x1b[31m/x"])
    assert "callout: warning: \\x1b[31m/x\ncallout: /tmp/new\\nline cannot be read\n" == capsys.readouterr().err
