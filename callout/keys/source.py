"""The source of the key set: a URL or a file, looked at again and again; the last good set stays in force.

Rules kept here:
- Our own token goes to the API server and to nobody else. So the key set is read from the API server's own path
  `/openid/v1/jwks`, and `jwks_uri` of the discovery document is not followed: it names whatever host the cluster's
  administrator has given to outsiders (a bucket, a proxy), which has no business with our token and is perhaps not
  even reachable from here. Who wants that host sets JWKS_URL to it, and it is asked without a token.
- TLS is always verified: by the cluster's CA for the API server, by the system's CAs for others, by both for names
  that only cluster DNS knows. Redirects are not followed.
- A fetch is bounded in size and time, runs in a thread, and is never on the path of a login. A token with an unknown
  `kid` only asks for one, which happens every `ASK_INTERVAL_S` at most.
- What cannot be bounded from within is bounded from outside: a head that comes byte by byte begins a read's time-out
  anew with each, and the exec plugin of a kubeconfig may hang. After `FETCH_TOTAL_S` the thread is left behind.
- A document without a key that can be used changes nothing: the last good set stays.
"""

import asyncio
import contextlib
import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec
import urllib3

from callout.daemon import call_in_daemon
from callout.fetch import TooMuchError, TooSlowError, read_bounded
from callout.files import POLL_SECONDS, reason_of
from callout.files import read_bounded as read_file
from callout.keys.rules import (
    ASK_INTERVAL_S,
    MAX_DOCUMENT_BYTES,
    check_document,
    next_refresh,
    parse_max_age,
    read_issuer,
)
from callout.kube.client import CONNECT_SECONDS, KubeClient
from callout.kube.errors import DISCOVERY, KubeError, explain
from callout.urls import is_in_cluster, parse_origin
from workers.logs import Log
from workers.snapshot import SnapshotFullError

JWKS_PATH: Final = "/openid/v1/jwks"
CONFIGURATION_PATH: Final = "/.well-known/openid-configuration"
FETCH_SECONDS: Final = 10.0  # for the whole of a body of some KB
FETCH_TOTAL_S: Final = 30.0  # for credentials, key set and issuer together, which take less than one when all is well
MAX_HANGING_FETCHES: Final = 4  # threads left behind; a host that recovers finds one that is free, and more help nobody

Publish = Callable[[bytes, tuple[str, ...]], None]
"""Takes the document (a JWK Set) and the issuers whose tokens its keys verify."""


class KeySourceState(msgspec.Struct):
    """What the source has come to, for readiness and metrics.

    Attributes:
        loaded: a key set has been published.
        fetched_at: when the published set was last seen to be the current one, in seconds of the clock.
        max_age: how many seconds the answer said it stays fresh.
        failures: attempts in a row that gave no key set.
        last_error: one line, without secrets; empty when all is well.
    """

    loaded: bool = False
    fetched_at: float | None = None
    max_age: float | None = None
    failures: int = 0
    last_error: str = ""


class KeySource:
    """Publishes the key set, and publishes it again when it or the issuer has changed.

    Args:
        publish: called on the loop.
        log: where changes for the worse and for the better are written.
        url: where the key set is; empty for the API server's.
        path: a file to read it from instead.
        issuers: whose tokens are taken; empty to ask the API server for its issuer.
        client: the way to the API server; None only if neither key set nor issuer come from there.
        clock: monotonic seconds.
        draw: random numbers, 0 <= draw < 1.
        total_seconds: how long an attempt is waited for.
    """

    def __init__(  # noqa: PLR0913  # what it is made of, and the clock, chance and patience that tests give it
        self,
        publish: Publish,
        log: Log,
        *,
        url: str = "",
        path: Path | None = None,
        issuers: tuple[str, ...] = (),
        client: KubeClient | None = None,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
        total_seconds: float = FETCH_TOTAL_S,
    ) -> None:
        if client is None and not (issuers and (url or path)):
            raise ValueError("without the API server, key set and issuers must be given")
        self.state = KeySourceState()
        self._publish = publish
        self._log = log
        self._url = url
        self._path = path
        self._issuers = issuers
        self._client = client
        self._clock = clock
        self._draw = draw
        self._total_seconds = total_seconds
        self._slots = threading.BoundedSemaphore(MAX_HANGING_FETCHES)
        self._asked = asyncio.Event()
        self._published: _Found | None = None

    @property
    def age(self) -> float | None:
        """Seconds since the key set in force was last seen to be the current one; None if there is none yet."""
        return None if self.state.fetched_at is None else self._clock() - self.state.fetched_at

    def ask(self) -> None:
        """Ask for a refresh: a token named a key that is not there. Returns at once; to be called on the loop."""
        self._asked.set()

    def read(self) -> tuple[bytes, tuple[str, ...]]:
        """Get the key set and the issuers, and publish nothing. Blocks; for a command that asks once and ends.

        Raises:
            KubeError, ValueError: why not, on one line.
        """
        found, _ = self._find()
        return found.document, found.issuers

    async def run(self) -> None:
        """Look for the key set until cancelled."""
        while True:
            tried_at = self._clock()
            self._asked.clear()
            await self._refresh()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds_to_wait()):
                    await self._asked.wait()
                    await asyncio.sleep(ASK_INTERVAL_S - (self._clock() - tried_at))

    def _seconds_to_wait(self) -> float:
        if self._path:
            return POLL_SECONDS
        return next_refresh(self.state.max_age, self.state.failures, self._draw())

    async def _refresh(self) -> None:
        state = self.state
        try:
            found, state.max_age = await self._find_in_time()
            if found != self._published:
                self._publish(found.document, found.issuers)
        except (KubeError, SnapshotFullError, ValueError) as error:  # their text is made for the operator
            self._note_failure(str(error))
        except Exception as error:  # noqa: BLE001  # a fault of ours or of `publish`: the last good set stays as well
            self._note_failure(f"{type(error).__name__} while the key set was refreshed")
        else:
            self._published = found
            state.loaded, state.failures, state.fetched_at = True, 0, self._clock()
            if state.last_error:
                state.last_error = ""
                self._log.info("the key set can be refreshed again")

    def _note_failure(self, problem: str) -> None:
        self.state.failures += 1
        if problem != self.state.last_error:
            self.state.last_error = problem
            self._log.warning("the key set cannot be refreshed; the last one stays in force", error=problem)

    async def _find_in_time(self) -> "tuple[_Found, float | None]":
        try:
            async with asyncio.timeout(self._total_seconds):
                return await call_in_daemon(self._find_in_slot, "key set")
        except TimeoutError:
            raise ValueError(f"the key set did not arrive within {self._total_seconds:g} s") from None

    def _find_in_slot(self) -> "tuple[_Found, float | None]":
        if not self._slots.acquire(blocking=False):
            raise ValueError(
                f"{MAX_HANGING_FETCHES} attempts to get the key set hang, and none is begun until one ends"
            )
        try:
            return self._find()
        finally:
            self._slots.release()

    def _find(self) -> "tuple[_Found, float | None]":
        """Get the key set and the issuers, and how long the key set stays fresh; in a thread."""
        document, max_age = self._read_key_set()
        check_document(document)
        return _Found(document, self._issuers or (self._ask_for_issuer(),)), max_age

    def _read_key_set(self) -> tuple[bytes, float | None]:
        if self._path:
            try:
                return read_file(self._path, MAX_DOCUMENT_BYTES), None
            except OSError as error:
                raise ValueError(f"the key set's file {self._path} cannot be read ({reason_of(error)})") from None
        url = self._url
        if self._client and not url:
            url = self._client.api_server_url + JWKS_PATH
        try:
            if self._client and self._client.owns(url):
                document, headers = self._client.read(url, DISCOVERY, MAX_DOCUMENT_BYTES)
            else:
                document, headers = _fetch(url, self._client.ca_file if self._client else None)
        except TooMuchError:
            raise ValueError(f"the key set is larger than {MAX_DOCUMENT_BYTES} bytes") from None
        return document, parse_max_age(headers.get("Cache-Control"))

    def _ask_for_issuer(self) -> str:
        assert self._client is not None
        try:
            document, _ = self._client.read(
                self._client.api_server_url + CONFIGURATION_PATH, DISCOVERY, MAX_DOCUMENT_BYTES
            )
        except TooMuchError:
            raise ValueError("the OpenID configuration is too large") from None
        return read_issuer(document)


class _Found(msgspec.Struct, frozen=True):
    document: bytes
    issuers: tuple[str, ...]


def _fetch(url: str, cluster_ca: Path | None, seconds: float = FETCH_SECONDS) -> tuple[bytes, Mapping[str, str]]:
    """Fetch the key set from a host that is not the API server: without a token, and within so many seconds.

    Raises:
        KubeError, ValueError: why not, on one line.
        TooMuchError: the document is too large.
    """
    host = parse_origin(url).host
    context = ssl.create_default_context()
    with urllib3.PoolManager(ssl_context=context) as pool:
        try:
            if cluster_ca and is_in_cluster(host):
                context.load_verify_locations(cluster_ca)
            response = pool.request(
                "GET",
                url,
                headers={"Accept": "application/json", "User-Agent": "nats-k8s-oidc-callout"},
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=seconds),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            if response.status != 200:
                response.close()
                raise ValueError(
                    f"{host} answered with status {response.status} when asked for the key set;"
                    " JWKS_URL must be its final address, readable without a token"
                )
            return read_bounded(response, MAX_DOCUMENT_BYTES, time.monotonic() + seconds), response.headers
        except TooSlowError:
            raise ValueError(f"{host} took more than {seconds:g} s to send the key set") from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise explain(error, host) from None
