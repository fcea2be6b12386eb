"""Where the key set and the issuers come from: one attempt to read them, from a file, a URL or the API server.

Rules kept here:
- Our own token goes to the API server and to nobody else. So the key set is read from the API server's own path
  `/openid/v1/jwks`, and `jwks_uri` of the discovery document is not followed: it names whatever host the cluster's
  administrator has given to outsiders (a bucket, a proxy), which has no business with our token and is perhaps not
  even reachable from here. Who wants that host sets JWKS_URL to it, and it is asked without a token.
- TLS is always verified: by the cluster's CA for the API server, by the system's CAs for others, by both for names
  that only cluster DNS knows. Redirects are not followed.
- The whole attempt is bounded in time, whatever the hosts do, and each answer in size.
- The key set is parsed here, once. What comes with it (keys left out, and why) is handed on.
- A failure is one line that names the setting to look at, and says what to do.
"""

import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec
from urllib3 import PoolManager

from callout.fetch import GuardedPool, read_body
from callout.fetch_errors import FetchError
from callout.files import locate, read_bounded, reason_of
from callout.keys.own_token import OwnToken, read_own_token
from callout.keys.rules import MAX_DOCUMENT_BYTES, check_document, parse_max_age, read_issuer
from callout.kube.client import KubeClient
from callout.kube.errors import DISCOVERY, KubeError
from callout.urls import is_in_cluster, parse_origin
from workers.keyset import KeySet

KEY_SET_PATH: Final = "/openid/v1/jwks"
CONFIGURATION_PATH: Final = "/.well-known/openid-configuration"
FETCH_SECONDS: Final = 10.0  # for one answer, of some KB
READ_SECONDS: Final = 30.0  # for credentials, key set and issuer together, which take less than one when all is well
_WHAT_TO_WRITE: Final = "write the issuer's key set there, such as 'kubectl get --raw /openid/v1/jwks' gives"


class KeySetError(Exception):
    """The key set or the issuer cannot be read now; the text is one line for the operator."""


class FoundKeys(msgspec.Struct, frozen=True):
    """A key set as it was found, and whose tokens its keys verify.

    Attributes:
        document: the JWK Set (RFC 7517), byte for byte as it came: that is what workers are given.
        keyset: what it says, with the problems of single keys.
        issuers: whose tokens are taken.
        max_age: how many seconds the answer said it stays fresh; None if it did not say.
        own: what our own pod's token tells of the cluster; nothing outside of a pod.
    """

    document: bytes
    keyset: KeySet
    issuers: tuple[str, ...]
    max_age: float | None
    own: OwnToken = OwnToken()


class KeyReader:
    """Reads the key set and the issuers.

    Args:
        url: where the key set is (JWKS_URL); empty for the API server's.
        path: a file to read it from instead (JWKS_PATH).
        issuers: whose tokens are taken (JWT_ISSUER); empty to ask the API server for its issuer.
        client: the way to the API server; None only if neither key set nor issuer come from there.
        seconds: how long an attempt may take in all.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        url: str = "",
        path: Path | None = None,
        issuers: tuple[str, ...] = (),
        client: KubeClient | None = None,
        seconds: float = READ_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if client is None and not (issuers and (url or path)):
            raise ValueError("without the API server, key set and issuers must be given")
        self._url = url
        self._path = path
        self._issuers = issuers
        self._client = client
        self._seconds = seconds
        self._clock = clock

    @property
    def is_file(self) -> bool:
        """Whether the key set is read from a file, which may be looked at often."""
        return self._path is not None

    def read(self) -> FoundKeys:
        """Get the key set and the issuers. Blocks.

        Raises:
            KeySetError: why not.
        """
        ends_at = self._clock() + self._seconds
        setting, subject, remedy = self._describe_place()
        try:
            document, max_age = self._read_document(ends_at)
        except (FetchError, KubeError, ValueError) as error:
            raise KeySetError(f"{setting}: {error}") from None
        try:
            keyset = check_document(document)
        except ValueError as error:
            raise KeySetError(f"{setting}: {subject} is no key set that can be used ({error}); {remedy}") from None
        issuers = self._issuers or (self._ask_for_issuer(ends_at),)
        return FoundKeys(document, keyset, issuers, max_age, self._look_at_token())

    def _describe_place(self) -> tuple[str, str, str]:
        """Name what says where the key set is, and what is found there, and say what to do if it is none."""
        if self._path:
            return "JWKS_PATH", str(self._path), _WHAT_TO_WRITE
        if self._url:
            return "JWKS_URL", "the answer", "set it to the address of the issuer's key set (JWK Set)"
        return f"key set of the API server ({KEY_SET_PATH})", "the answer", "set JWKS_URL or JWKS_PATH to where it is"

    def _read_document(self, ends_at: float) -> tuple[bytes, float | None]:
        if self._path:
            try:
                return read_bounded(self._path, MAX_DOCUMENT_BYTES), None
            except OSError as error:
                raise ValueError(f"{locate(self._path)} cannot be read: {reason_of(error)}; {_WHAT_TO_WRITE}") from None
        url = self._url
        if self._client and not url:
            url = self._client.api_server_url + KEY_SET_PATH
        if self._client and self._client.owns(url):
            document, headers = self._client.read(url, DISCOVERY, MAX_DOCUMENT_BYTES, self._remaining(ends_at))
        else:
            document, headers = self._fetch(url, self._client.ca_file if self._client else None, ends_at)
        return document, parse_max_age(headers.get("Cache-Control"))

    def _fetch(self, url: str, cluster_ca: Path | None, ends_at: float) -> tuple[bytes, Mapping[str, str]]:
        """Fetch the key set from a host that is not the API server, and gets no token."""
        host = parse_origin(url).host
        context = ssl.create_default_context()
        if cluster_ca and is_in_cluster(host):
            try:
                context.load_verify_locations(cluster_ca)
            except OSError:
                raise ValueError(f"the cluster's CA {cluster_ca} holds no certificate in PEM form") from None
        seconds = self._remaining(ends_at)
        ends_at = time.monotonic() + seconds
        with GuardedPool(PoolManager(ssl_context=context)) as pool:
            response = pool.open(url, head_seconds=seconds, silence_seconds=seconds)
            if response.status != 200:
                response.close()
                raise ValueError(
                    f"{host} answered with status {response.status};"
                    " it must be the key set's final address, readable without a token"
                )
            body = read_body(response, host, limit=MAX_DOCUMENT_BYTES, seconds=ends_at - time.monotonic())
            return body, response.headers

    def _ask_for_issuer(self, ends_at: float) -> str:
        assert self._client is not None
        try:
            url = self._client.api_server_url + CONFIGURATION_PATH
            document, _ = self._client.read(url, DISCOVERY, MAX_DOCUMENT_BYTES, self._remaining(ends_at))
            return read_issuer(document)
        except (FetchError, KubeError, ValueError) as error:
            raise KeySetError(f"issuer of the API server ({CONFIGURATION_PATH}): {error}; or set JWT_ISSUER") from None

    def _look_at_token(self) -> OwnToken:
        try:
            token = self._client.own_token if self._client else None
        except KubeError:  # whoever needs the API server tells of that
            token = None
        return read_own_token(token.reveal()) if token else OwnToken()

    def _remaining(self, ends_at: float) -> float:
        """Return the seconds that the next answer may take."""
        seconds = min(FETCH_SECONDS, ends_at - self._clock())
        if seconds <= 0:
            raise ValueError(f"it took more than {self._seconds:g} s in all")
        return seconds
