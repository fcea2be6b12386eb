"""What the scripts have in common that measure either what is deployed or what they start here."""

import argparse
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any

from perf.commandline.command import Progress, Render, execute
from perf.figures.findings import Report
from perf.generator.target import Target, find_deployed
from perf.here.local import Population

MeasureHere = Callable[[Population, argparse.Namespace, Progress], Coroutine[None, None, Report]]
MeasureTarget = Callable[[Target, argparse.Namespace, Progress], Coroutine[None, None, Report]]


def parse_target(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    *,
    direct: bool,
    here: Mapping[str, Any] | None = None,
    deployed: Mapping[str, Any] | None = None,
) -> tuple[argparse.Namespace, Target | None]:
    """Read the arguments, and what they say is deployed; ends the process with one line if they are wrong.

    Args:
        parser: has the arguments of `perf.generator.target.add_arguments`.
        arguments: None for those of the process.
        direct: whether requests are sent straight to the subject.
        here: defaults, by name, of a set-up that is started here. Their arguments have none of their own.
        deployed: the same of a deployed one. An argument that only `here` has means nothing there, and is refused.
    """
    options = parser.parse_args(arguments)
    here, deployed = here or {}, deployed or {}
    if options.nats_url is not None:
        _refuse_meaningless(parser, options, here.keys() - deployed.keys())
    try:
        target = find_deployed(options, direct=direct)
    except ValueError as error:
        parser.error(str(error))
    for name, value in (here if target is None else {**here, **deployed}).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options, target


def _refuse_meaningless(parser: argparse.ArgumentParser, options: argparse.Namespace, names: Collection[str]) -> None:
    for name in sorted(names):
        if getattr(options, name) is not None:
            parser.error(f"--{name.replace('_', '-')} is for a set-up that is started here, and not for --nats-url")
    if getattr(options, "attempts", 1) > 1:
        parser.error("--attempts goes by what others take of this machine, which of a deployed set-up is not known")


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
