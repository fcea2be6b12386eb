"""Pages that are read over HTTP without any credentials: the service's metrics, and the time.

Rules kept here:
- Nothing secret is sent, redirects are not followed, and size and time are bounded.
- A page of metrics that cannot be read is told of, with what to do: whoever has named it counts on it. A clock that
  cannot be read is None: it is one piece of evidence less.
"""

import contextlib
import math
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Final

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from urllib3 import PoolManager
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from callout.doctor.clocks import Reading, read_date
from callout.doctor.replicas import Page
from callout.fetch import GuardedPool, read_body
from callout.fetch_errors import FetchError
from workers.metrics import ALLOWED
from workers.status import State

PAGE_SECONDS: Final = 3.0
MAX_PAGE_BYTES: Final = 4 << 20  # our own page has some 20 KB
_URL: Final = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[!-~]*)?")
_REQUESTS: Final = "nats_auth_requests_total"
_WORKERS: Final = "nats_auth_workers"
_SUBSCRIBED: Final = State.SERVING.name.lower()
METRICS_PATH: Final = "/metrics"


class PageError(Exception):
    """A page tells nothing; the text is one line, with its address and what to do."""


def is_page(url: str) -> bool:
    """Tell whether this is the address of a page, without user and password."""
    try:
        return _URL.fullmatch(url) is not None and parse_url(url).host is not None
    except LocationParseError:  # a port that there is not, an IPv6 address that is none
        return False


def read_pages(urls: Sequence[str]) -> dict[str, Page]:
    """Read the pages of replicas, by their addresses; one that is named twice is one.

    Raises:
        PageError: one of them cannot be read, or is another page.
    """
    return {url: _make_page(_read_samples(url)) for url in dict.fromkeys(urls)}


def _make_page(samples: Iterable[Sample]) -> Page:
    counted: defaultdict[str, float] = defaultdict(float)
    workers = None
    for sample in samples:
        if not math.isfinite(sample.value):  # which the format knows, and a count never is
            continue
        if sample.name == _REQUESTS:
            counted[sample.labels.get("reason") or ALLOWED] += sample.value
        elif sample.name == _WORKERS and sample.labels.get("state") == _SUBSCRIBED:
            workers = int(sample.value)
    return Page(dict(counted), workers)


def _read_samples(url: str) -> list[Sample]:
    try:
        status, page, _ = _read(url)
    except FetchError as error:
        raise PageError(f"{url} cannot be read: {error}") from None
    if status == HTTPStatus.OK:
        with contextlib.suppress(ValueError):  # no page of metrics
            families = list(text_string_to_metric_families(page.decode("utf-8", "replace")))
            samples = [one for family in families for one in family.samples]
            if any(one.name == _REQUESTS for one in samples):
                return samples
    answer = "" if status == HTTPStatus.OK else f" (status {status})"
    raise PageError(f"{url} is no page of this service's metrics{answer}; its path is {METRICS_PATH}")


def read_clock(url: str, whose: str) -> Reading | None:
    """Read the time off an answer."""
    asked_at = time.time()
    try:
        _, _, date = _read(url)
    except FetchError:
        return None
    return read_date(date, whose, asked_at, time.time())


def _read(url: str) -> tuple[int, bytes, str | None]:
    """Return the answer's status, its body, and its Date header; None if it has none.

    Raises:
        FetchError: there is no answer, or not a whole one.
    """
    with GuardedPool(PoolManager()) as pool:
        response = pool.open(url, head_seconds=PAGE_SECONDS, silence_seconds=PAGE_SECONDS)
        date = response.headers.get("Date")
        body = read_body(response, "the page's server", limit=MAX_PAGE_BYTES, seconds=PAGE_SECONDS)
    return response.status, body, date
