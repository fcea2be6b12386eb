"""What the scripts have in common that measure either what is deployed or what they start here."""

import argparse
from collections.abc import Callable, Coroutine, Sequence

from perf.command import Progress, Render, Report, execute
from perf.local import Population
from perf.target import Target, find_deployed

MeasureHere = Callable[[Population, argparse.Namespace, Progress], Coroutine[None, None, Report]]
MeasureTarget = Callable[[Target, argparse.Namespace, Progress], Coroutine[None, None, Report]]


def parse_target(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None, *, direct: bool
) -> tuple[argparse.Namespace, Target | None]:
    """Read the arguments, and what they say is deployed; ends the process with one line if they are wrong.

    Args:
        parser: has the arguments of `perf.target.add_arguments`.
        arguments: None for those of the process.
        direct: whether requests are sent straight to the subject.
    """
    options = parser.parse_args(arguments)
    try:
        return options, find_deployed(options, direct=direct)
    except ValueError as error:
        parser.error(str(error))


def execute_on(
    target: Target | None,
    options: argparse.Namespace,
    measure_target: MeasureTarget,
    measure_here: MeasureHere,
    render: Render,
) -> int:
    """Execute on what is deployed; if nothing is, on what is started here."""
    if target is not None:
        return execute(options, lambda progress: measure_target(target, options, progress), render)
    return execute(options, lambda progress: measure_here(Population(), options, progress), render)
