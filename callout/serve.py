"""`callout serve`: run the service, with settings from the environment, until SIGTERM or Ctrl-C."""

import argparse
import asyncio
import os
import signal
import traceback
from typing import Any

from callout.config.combinations import NO_POD
from callout.config.credentials import CredentialError
from callout.config.loading import ConfigError, load
from callout.config.table import Settings
from callout.errors import EXIT_WRONG_USAGE, CommandError
from callout.preflight.checks import check
from callout.supervisor import Supervisor
from callout.workspace import Workspace
from workers.logs import Log


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say where the settings are; there are no arguments."""
    parser.epilog = "All settings come from the environment; 'callout config --help' lists them."


def run(_: argparse.Namespace) -> int:
    """Run the command."""
    settings, warnings = load(os.environ)
    try:
        warnings += check(settings).warnings
    except ConfigError as error:
        raise ConfigError(*error.lines, warnings=(*warnings, *error.warnings)) from None
    if NO_POD in warnings:  # and will not be one: the kubelet sets that variable, or nobody does
        warnings.remove(NO_POD)
        raise ConfigError(NO_POD, warnings=tuple(warnings))
    log = Log("supervisor", settings.log_level)
    try:
        for warning in warnings:
            log.warning("setting", problem=warning)
        with Workspace(settings.snapshot_dir) as workspace:
            for warning in workspace.warnings:
                log.warning("setting", problem=warning)
            return asyncio.run(_serve(settings, workspace, log))
    finally:
        log.close()


async def _serve(settings: Settings, workspace: Workspace, log: Log) -> int:
    try:
        supervisor = Supervisor(settings, workspace, log)
    except (ValueError, CredentialError) as error:
        raise CommandError(str(error), exit_code=EXIT_WRONG_USAGE) from None
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: _report_fault(log, context))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return await supervisor.run(stop)


def _report_fault(log: Log, context: dict[str, Any]) -> None:
    """Log what nobody has caught; asyncio would print it, and it would be no JSON."""
    error = context.get("exception")
    where = traceback.extract_tb(error.__traceback__)[-1] if error and error.__traceback__ else None
    log.error(
        "fault in the supervisor",
        what=str(context.get("message", "")),
        error=type(error).__name__ if error else "",
        where=f"{where.name}:{where.lineno}" if where else "",
    )
