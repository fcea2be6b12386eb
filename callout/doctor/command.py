"""`callout doctor`: why it does not work, and the command that mends it.

Settings come from the environment, as for `callout serve`; nothing of the running service is needed. Without `--live`
no client logs in; with it, the doctor itself is one. Exit code 0: nothing is wrong. 1: something is. 2: the command
line, or a file that it names, cannot be used.
"""

import argparse
import asyncio
import os

import msgspec

from callout.doctor.examination import examine
from callout.doctor.findings import Severity, count
from callout.doctor.request import read_request
from callout.doctor.text import render, summarize
from callout.errors import EXIT_FAILED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--json", action="store_true", help="write JSON")
    facts = parser.add_argument_group("what else is known")
    facts.add_argument(
        "--accounts", metavar="PATH", help="accounts' JWTs: a file, a nats.conf, or a folder as nsc has it"
    )
    facts.add_argument(
        "--sys-creds", metavar="FILE", help="a user of the system account: .creds, or a line user:password"
    )
    facts.add_argument("--sentinel", metavar="FILE", help="what clients show in operator mode: .creds or JWT")
    facts.add_argument(
        "--metrics-url", metavar="URL", action="append", default=[], help="the service's /metrics; repeat"
    )
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--token", metavar="FILE", help="a workload's token; - reads standard input")
    who.add_argument("--serviceaccount", metavar="NAMESPACE/NAME", help="have the API server make a token of this one")
    live = parser.add_argument_group("being a client")
    live.add_argument(
        "--live", action="store_true", help="log in through the server: with junk, with nothing, with the token"
    )
    live.add_argument("--nack", metavar="STREAM", help="publish a message, and see whether it arrives in this stream")
    live.add_argument("--subject", help="where to publish it")
    live.add_argument("--nack-creds", metavar="FILE", help="a user who may ask for the stream")
    parser.epilog = "Settings come from the environment, as for 'callout serve'; 'callout config --help' lists them."


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    findings = asyncio.run(examine(os.environ, read_request(args)))
    counted = count(findings)
    if args.json:
        document = {"verdict": summarize(findings), "counts": counted, "findings": findings}
        print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
    else:
        print(*render(findings), sep="\n")
    return EXIT_FAILED if counted[Severity.WRONG] else 0
