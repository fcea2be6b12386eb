"""Deployments for the tests: made from keys that are the same in each run."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from callout.bootstrap.choices import Choices, choose
from callout.bootstrap.record import Deployment, begin
from workers.nkeys import KeyPair, Kind

NOW = 1_700_000_000
FOLDER = Path("/srv/nats")
"""Where a deployment is that is on no disk."""


def drawing() -> Callable[[Kind], KeyPair]:
    """A source of keys that always gives the same ones."""
    numbers = itertools.count(1)
    return lambda kind: KeyPair(kind, next(numbers).to_bytes(32))


def deploy(**given: Any) -> Deployment:
    """A deployment with these choices."""
    return begin(choose(given, Choices()), drawing(), NOW)[0]


def with_record(deployment: Deployment, **changes: Any) -> Deployment:
    """The same with another record."""
    return Deployment(msgspec.structs.replace(deployment.record, **changes), deployment.material)
