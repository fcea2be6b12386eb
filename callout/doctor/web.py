"""Pages that are read over HTTP without any credentials: the service's metrics, and the time.

Rules kept here:
- Nothing secret is sent, redirects are not followed, and size and time are bounded.
- A page that cannot be read is None and no error: it is one piece of evidence less.
"""

import re
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from prometheus_client.parser import text_string_to_metric_families
from urllib3 import PoolManager
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from callout.doctor.clocks import Reading, read_date
from callout.fetch import GuardedPool, read_body
from callout.fetch_errors import FetchError
from workers.metrics import ALLOWED

PAGE_SECONDS: Final = 3.0
MAX_PAGE_BYTES: Final = 4 << 20  # our own page has some 20 KB
_URL: Final = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[!-~]*)?")
_REQUESTS: Final = "nats_auth_requests_total"


def is_page(url: str) -> bool:
    """Tell whether this is the address of a page, without user and password."""
    try:
        return _URL.fullmatch(url) is not None and parse_url(url).host is not None
    except LocationParseError:  # a port that there is not, an IPv6 address that is none
        return False


def count_requests(urls: Sequence[str]) -> Mapping[str, float] | None:
    """Read how many requests the service has decided, by reason, over all pages; None unless all can be read."""
    counted: defaultdict[str, float] = defaultdict(float)
    for url in urls:
        page, _ = _read(url)
        if page is None:
            return None
        try:
            families = list(text_string_to_metric_families(page.decode("utf-8", "replace")))
        except ValueError:
            return None
        samples = [sample for family in families for sample in family.samples if sample.name == _REQUESTS]
        if not samples:
            return None
        for sample in samples:
            counted[sample.labels.get("reason") or ALLOWED] += sample.value
    return dict(counted)


def read_clock(url: str, whose: str) -> Reading | None:
    """Read the time off an answer."""
    asked_at = time.time()
    _, date = _read(url)
    return read_date(date, whose, asked_at, time.time())


def _read(url: str) -> tuple[bytes | None, str | None]:
    """Return the page and its Date header; None where there is none."""
    with GuardedPool(PoolManager()) as pool:
        try:
            response = pool.open(url, head_seconds=PAGE_SECONDS, silence_seconds=PAGE_SECONDS)
            date = response.headers.get("Date")
            body = read_body(response, "the page's server", limit=MAX_PAGE_BYTES, seconds=PAGE_SECONDS)
        except FetchError:
            return None, None
    return (body if response.status == 200 else None), date
