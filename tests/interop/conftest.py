"""What the tests against real servers share."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Let nats-py open WebSockets, although it does so in a way that aiohttp has deprecated."""
    config.addinivalue_line("filterwarnings", "ignore:parameter 'timeout' of type 'float':DeprecationWarning:nats")
