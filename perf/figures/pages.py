"""Pages that are read while something is measured: those of the service, and of what stands around it here.

Rules kept here:
- Every page has its time and its size, whoever sends it (`callout.fetch`).
- What is no page of the service, or lacks the figure that is looked for, is one line with the address.
"""

import asyncio
from http import HTTPStatus
from math import isfinite, nan
from typing import Any, Final

import msgspec
import urllib3

from callout.demo.service import Service
from callout.errors import CommandError
from callout.fetch import GuardedPool, read_body
from callout.fetch_errors import FetchError
from perf.figures.limits import limit

HTTP_S: Final = 30.0  # for a whole page
MAX_PAGE: Final = 1 << 20  # bytes; that of a service has 8 KB, however many its workers are


async def fetch_json(url: str) -> Any:
    """Fetch a page of this machine.

    Raises:
        CommandError: there is no such page, or it is no JSON.
    """
    page = await asyncio.to_thread(_fetch_page, url)
    try:
        return msgspec.json.decode(page)
    except msgspec.DecodeError as error:
        raise CommandError(f"{url} is no JSON: {error}") from None


async def read_metric(service: Service, name: str) -> float:
    """Return a metric; of a name without labels the sum of all its samples."""
    return await read_metric_of(f"{service.url}/metrics", name)


async def read_metric_of(url: str, name: str) -> float:
    """Do as `read_metric` by the address of the page.

    Raises:
        CommandError: there is no such page, or the metric is not on it.
    """
    page = await asyncio.to_thread(_fetch_page, url)
    try:
        lines = [line for line in page.decode().splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
        value = sum(float(line.rpartition(" ")[2]) for line in lines) if lines else nan
    except ValueError:
        value = nan
    if not isfinite(value):
        raise CommandError(f"{url} is no page of the service: {name} cannot be read on it")
    return value


def _fetch_page(url: str) -> bytes:
    try:
        with limit(HTTP_S, "it") as left, GuardedPool(urllib3.PoolManager()) as pool:
            response = pool.open(url, head_seconds=HTTP_S, silence_seconds=HTTP_S)
            page = read_body(response, "it", limit=MAX_PAGE, seconds=left())
    except FetchError as error:
        raise CommandError(f"{url} cannot be read: {error}") from None
    if response.status != HTTPStatus.OK:
        raise CommandError(f"{url} answers with status {response.status}")
    return page
