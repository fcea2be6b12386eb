"""What the tests of the HTTP pages are given."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import uvloop

from tests.callout.http.asking import FakePages


@pytest.fixture(params=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    """An event loop of each kind that the service may run on; at its end no fault may have reached it."""
    faults: list[dict[str, Any]] = []
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if request.param == "uvloop" else None) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: faults.append(context))
        yield runner
    assert [] == faults


@pytest.fixture
def pages() -> FakePages:
    """Pages of a service that is well."""
    return FakePages()
