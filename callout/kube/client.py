"""Requests to the API server: credentials always the current ones, answers always within bounds.

Rules kept here:
- Our credentials go to the API server and to nobody else: not to another origin, and no redirect is followed.
- Tokens rotate (the kubelet renews them at 80 % of their life), and so do CAs. How to reach the API server is loaded
  anew when a file has changed, when a minute has passed (exec plugins and a `tokenFile` cannot be watched), and after
  a 401.
- Every wait and every body has a bound (`callout.fetch`). An answer without status 200 becomes an error; its body is
  not even read, but for that of a 404: any HTTP server says 404, and only one that says it in a `Status`, as the API
  server does, is believed that there is no such object.
- An exec plugin of a kubeconfig may hang for ever. It is waited for so long, and its thread left behind: who asked goes
  on with an error, and asks again after a pause of its own.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import msgspec
from urllib3 import BaseHTTPResponse

from callout import fetch
from callout.daemon import LimitedCaller
from callout.fetch_errors import FetchError, TooMuchError
from callout.kube.access import SERVICE_ACCOUNT_DIRECTORY, Access, load_in_cluster, load_kubeconfig
from callout.kube.errors import (
    ConfigurationError,
    NoAnswerError,
    NotFoundError,
    Purpose,
    purpose_of,
    refuse,
)
from callout.kube.objects import read_serviceaccount
from callout.lines import MAX_LINE_BYTES
from callout.secret import Secret
from callout.serviceaccounts import ServiceAccount, is_valid_identity
from callout.urls import API_SERVER_NAMES, parse_origin

RELOAD_SECONDS: Final = 60.0  # what the official client takes for the in-cluster token; an exec plugin runs no oftener
ANSWER_SECONDS: Final = 30.0  # for a whole answer; the API server itself gives up on a request after 60 s
LOAD_SECONDS: Final = 15.0  # for a kubeconfig; an exec plugin that asks a cloud for a token takes one to five
DEFAULT_KUBECONFIG: Final = "~/.kube/config"
API_SERVER: Final = "the API server"  # how it is called in a message
MAX_HANGING_LOADS: Final = 4  # threads left behind by plugins that hang, each with a process of its own
MAX_STATUS_BYTES: Final = 64 << 10  # of a refusal; one of the API server has some hundred


class _Kind(msgspec.Struct, frozen=True, rename="camel"):
    kind: str = ""
    api_version: str = ""


_STATUS: Final = _Kind("Status", "v1")


class KubeClient:
    """Sends requests to the API server. Several threads may use it at once.

    Args:
        in_cluster: use the pod's own ServiceAccount; otherwise a kubeconfig.
        kubeconfig: its path, or several joined by colons, as in KUBECONFIG; empty for `~/.kube/config`.
        environ: where in-cluster configuration finds the API server's address.
        directory: where it finds token and CA.
        clock: monotonic seconds.
        load_seconds: how long a kubeconfig's credentials are waited for.
    """

    def __init__(
        self,
        *,
        in_cluster: bool,
        kubeconfig: str = "",
        environ: Mapping[str, str] = os.environ,
        directory: Path = SERVICE_ACCOUNT_DIRECTORY,
        clock: Callable[[], float] = time.monotonic,
        load_seconds: float = LOAD_SECONDS,
    ) -> None:
        self._in_cluster = in_cluster
        self._kubeconfig = kubeconfig or DEFAULT_KUBECONFIG
        self._environ = environ
        self._directory = directory
        self._clock = clock
        self._load_seconds = load_seconds
        self._loader = LimitedCaller("kubeconfig", seconds=load_seconds, limit=MAX_HANGING_LOADS)
        self._lock = threading.Lock()
        self._access: Access | None = None
        self._fingerprint: tuple[object, ...] = ()
        self._loaded_at = 0.0

    @property
    def api_server_url(self) -> str:
        """The base of all addresses; it may have a path. Raises `ConfigurationError`."""
        return self._current().url

    @property
    def ca_file(self) -> Path | None:
        """The CA that vouches for the API server, or None for the system's. Raises `ConfigurationError`."""
        return self._current().ca_file

    @property
    def own_token(self) -> Secret | None:
        """The token of the pod's own ServiceAccount; None outside of a pod. Raises `ConfigurationError`."""
        authorization = self._current().authorization if self._in_cluster else None
        return Secret(authorization.reveal().partition(" ")[2]) if authorization else None

    def owns(self, url: str) -> bool:
        """Tell whether a URL leads to the API server itself, so that our credentials may be sent there.

        That is so when its origin is that of the configured address. In a cluster, cluster DNS's names for the API
        server count as well: only the cluster's CA is trusted here, and it vouches for nobody else under those names.

        Raises:
            ConfigurationError: it is not known who the API server is.
            ValueError: see `callout.urls.parse_origin`.
        """
        own, origin = parse_origin(self.api_server_url), parse_origin(url)
        by_name = self._in_cluster and origin.host in API_SERVER_NAMES and origin.port in {443, own.port}
        return origin == own or (by_name and origin.scheme == "https")

    def open(
        self,
        url: str,
        purpose: Purpose,
        query: Mapping[str, str] | None = None,
        *,
        head_seconds: float = ANSWER_SECONDS,
        silence_seconds: float = ANSWER_SECONDS,
    ) -> BaseHTTPResponse:
        """Send a GET and return the answer with status 200, its body unread. The caller closes it.

        Args:
            url: an address that this client `owns`.
            purpose: what for, so that a refusal can be explained.
            query: parameters.
            head_seconds: how long the head of the answer may take, or a refusal as a whole.
            silence_seconds: how long the API server may send nothing, before the answer and within it.

        Raises:
            KubeError: see `callout.kube.errors`.
        """
        if not self.owns(url):
            raise ConfigurationError("that address is not the API server's own: no credentials are sent there")
        access = self._current()
        ends_at = time.monotonic() + head_seconds
        with _as_kube_errors():
            response = access.pool.open(
                f"{url}?{urlencode(query)}" if query else url,
                head_seconds=head_seconds,
                silence_seconds=silence_seconds,
                authorization=access.authorization.reveal() if access.authorization else None,
            )
        if response.status != HTTPStatus.OK:
            is_known = response.status == HTTPStatus.NOT_FOUND and _is_status(response, ends_at - time.monotonic())
            response.close()
            if response.status == HTTPStatus.UNAUTHORIZED:
                self._access = None  # the next request loads everything anew
            raise refuse(response.status, purpose, access.url, is_known=is_known)
        return response

    def read(
        self, url: str, purpose: Purpose, limit: int, seconds: float = ANSWER_SECONDS
    ) -> tuple[bytes, Mapping[str, str]]:
        """Send a GET and return body (of at most `limit` bytes) and headers of the answer, all within so many seconds.

        Raises:
            KubeError: see `callout.kube.errors`.
            callout.fetch_errors.TooMuchError: the body is larger.
        """
        ends_at = time.monotonic() + seconds
        response = self.open(url, purpose, head_seconds=seconds, silence_seconds=seconds)
        return read_body(response, limit, ends_at - time.monotonic()), response.headers

    def get_serviceaccount(self, namespace: str, name: str, annotation_prefix: str) -> ServiceAccount | None:
        """Return the ServiceAccount as it is now, or None if the API server says that there is none of that name.

        Raises:
            KubeError: see `callout.kube.errors`.
        """
        if not is_valid_identity(namespace, name):  # and neither changes the path of the request
            return None
        url = f"{serviceaccounts_url(self.api_server_url, namespace)}/{name}"
        try:
            body, _ = self.read(url, purpose_of("get", namespace), MAX_LINE_BYTES)
        except NotFoundError:
            return None
        except TooMuchError:
            raise NoAnswerError("the answer of the API server is larger than any ServiceAccount") from None
        return read_serviceaccount(body, annotation_prefix)

    def _current(self) -> Access:
        with self._lock:
            access = self._access
            if access is None or self._clock() - self._loaded_at >= RELOAD_SECONDS or self._has_changed(access):
                self._access = None  # should loading fail, it is tried again with the next request
                access = self._access = self._load()
                self._fingerprint = _fingerprint(access.files)
                self._loaded_at = self._clock()
            return access

    def _load(self) -> Access:
        if self._in_cluster:
            return load_in_cluster(self._environ, self._directory)
        try:
            return self._loader.call(partial(load_kubeconfig, self._kubeconfig))
        except TimeoutError:
            paths = self._kubeconfig
            raise ConfigurationError(
                f"the kubeconfig {paths} gave no credentials within {self._load_seconds:g} s, so its exec plugin hangs;"
                f" see whether `kubectl --kubeconfig {paths} get serviceaccounts` does too"
            ) from None

    def _has_changed(self, access: Access) -> bool:
        return _fingerprint(access.files) != self._fingerprint


def read_body(response: BaseHTTPResponse, limit: int, seconds: float = ANSWER_SECONDS) -> bytes:
    """Read the body of an answer that `KubeClient.open` gave, within so many seconds.

    Raises:
        KubeError: see `callout.kube.errors`.
        callout.fetch_errors.TooMuchError: it has more than `limit` bytes.
    """
    with _as_kube_errors():
        return fetch.read_body(response, API_SERVER, limit=limit, seconds=seconds)


def serviceaccounts_url(base: str, namespace: str) -> str:
    """Return where the ServiceAccounts of a namespace are, or of all if it is empty."""
    return f"{base}/api/v1/namespaces/{namespace}/serviceaccounts" if namespace else f"{base}/api/v1/serviceaccounts"


def _is_status(response: BaseHTTPResponse, seconds: float) -> bool:
    """Tell whether a refusal is the API server's own: a `Status`, which it answers with wherever it knows the path."""
    try:
        body = fetch.read_body(response, API_SERVER, limit=MAX_STATUS_BYTES, seconds=seconds)
        return msgspec.json.decode(body, type=_Kind) == _STATUS
    except (FetchError, msgspec.MsgspecError, RecursionError):
        return False


@contextmanager
def _as_kube_errors() -> Iterator[None]:
    """Let what goes wrong on the way to the API server and back be a `KubeError`; `TooMuchError` is left as it is."""
    try:
        yield
    except TooMuchError:
        raise
    except FetchError as error:
        raise NoAnswerError(str(error)) from None


def _fingerprint(files: tuple[Path, ...]) -> tuple[object, ...]:
    """Return something that changes when one of the files does; a projected volume swaps a link, which stat follows."""
    return tuple(_look(file) for file in files)


def _look(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
