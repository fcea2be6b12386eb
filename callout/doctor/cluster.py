"""What the cluster says: the key set, rights, clocks, ServiceAccounts, and a fresh token of one.

Everything is asked in the way of `callout serve`, with the same settings; what fails is kept as a line of text, since
each failure is a finding and none may keep the others from being made.

Rules kept here:
- Nothing is changed in the cluster. A TokenRequest makes a token, and it is as short-lived as the API server allows.
- A watch is tried by beginning one, and ended at once.
"""

import json
import os
import shlex
import time
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
import urllib3

from callout.config.table import Settings
from callout.doctor.clocks import Reading, read_date
from callout.doctor.nats_claims import read_json
from callout.doctor.rights import Deed, Outcome
from callout.doctor.trust import Cluster
from callout.fetch import CONNECT_SECONDS
from callout.fetch_errors import FetchError
from callout.keys.reader import CONFIGURATION_PATH, KEY_SET_PATH, FoundKeys, KeySetError
from callout.keys.rules import MAX_DOCUMENT_BYTES, read_issuer
from callout.kube.access import Access, load_in_cluster, load_kubeconfig
from callout.kube.client import DEFAULT_KUBECONFIG, KubeClient, read_body, serviceaccounts_url
from callout.kube.errors import DISCOVERY, ForbiddenError, KubeError, Purpose, purpose_of
from callout.manifests.folder import read_folder
from callout.serviceaccounts import ServiceAccount
from callout.sources import make_client, make_key_reader
from workers.keyset import parse_keyset

ANSWER_SECONDS: Final = 10.0  # for one answer of some KB
TOKEN_SECONDS: Final = 600  # how long a minted token lives: the least that the API server takes
_API_SERVER: Final = "the API server"
_MAX_BODY: Final = 1 << 20  # bytes: a token, or a page of one ServiceAccount


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What was learned.

    Attributes:
        keys: the key set and issuers in force; None if `keys_problem` says why not.
        cluster: what is known of the cluster.
        outcomes: how each deed went; empty if the API server is not used.
        user: who we are to the API server; empty if it does not say.
        clocks: clocks that were read.
        problem: why the API server could not be asked at all; empty if it could.
    """

    keys: FoundKeys | None
    keys_problem: str
    cluster: Cluster
    outcomes: tuple[Outcome, ...]
    user: str
    clocks: tuple[Reading, ...]
    problem: str


class ClusterError(Exception):
    """The cluster did not give what was asked for; the text is one line for the operator."""


def learn(settings: Settings) -> Facts:
    """Ask everything that is asked in any case. Blocks, for some seconds at most for each question."""
    client = make_client(settings)
    keys, keys_problem = None, ""
    try:
        keys = make_key_reader(settings, client).read()
    except (KeySetError, KubeError) as error:
        keys_problem = str(error)
    if client is None:
        return Facts(
            keys=keys, keys_problem=keys_problem, cluster=Cluster(), outcomes=(), user="", clocks=(), problem=""
        )
    clocks: list[Reading] = []
    try:
        base = client.api_server_url
    except KubeError as error:
        base, problem = "", str(error)
    else:
        problem = ""
    documents: dict[Deed, bytes] = {}
    outcomes = tuple(_try_all(client, base, settings.k8s_namespace or "", documents, clocks)) if base else ()
    return Facts(
        keys=keys,
        keys_problem=keys_problem,
        cluster=_read_cluster(documents, keys),
        outcomes=outcomes,
        user=_find_user(settings) if base else "",
        clocks=tuple(clocks),
        problem=problem,
    )


def find_serviceaccount(settings: Settings, namespace: str, name: str) -> ServiceAccount | None:
    """Find a ServiceAccount as the service would; None if it knows of none.

    Raises:
        ClusterError: it could not be looked for.
    """
    client = make_client(settings)
    try:
        if settings.k8s_namespace and settings.k8s_namespace != namespace:
            return None  # the service does not look there
        if client is None:
            assert settings.serviceaccounts_path is not None
            accounts, problems = read_folder(settings.serviceaccounts_path, settings.sa_annotation_prefix)
            found = next((one for one in accounts if (one.namespace, one.name) == (namespace, name)), None)
            if found is None and problems:  # it may stand in what could not be read
                raise ClusterError(problems[0])
            return found
        return client.get_serviceaccount(namespace, name, settings.sa_annotation_prefix)
    except (KubeError, OSError, ValueError) as error:
        raise ClusterError(str(error)) from None


def mint_token(settings: Settings, namespace: str, name: str) -> str:
    """Have the API server make a token of a ServiceAccount (TokenRequest, authentication.k8s.io/v1).

    Raises:
        ClusterError: it did not.
    """
    if settings.serviceaccounts_path is not None:
        raise ClusterError("--serviceaccount: no API server is used with SERVICEACCOUNTS_PATH; give --token FILE")
    spec = {"audiences": [settings.jwt_audience[0]], "expirationSeconds": TOKEN_SECONDS}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    try:
        access = _load_access(settings)
        status, answer = _post(access, f"{serviceaccounts_url(access.url, namespace)}/{name}/token", body)
    except (KubeError, FetchError) as error:
        raise ClusterError(str(error)) from None
    token = _dig(answer, "status", "token")
    if token:
        return token
    command = f"kubectl create token -n {namespace} {name} --audience={shlex.quote(settings.jwt_audience[0])} >token"
    raise ClusterError(f"no token of {namespace}/{name} (status {status}): make one with '{command}', and give --token")


def _try_all(
    client: KubeClient, base: str, namespace: str, documents: dict[Deed, bytes], clocks: list[Reading]
) -> Iterator[Outcome]:
    accounts = serviceaccounts_url(base, namespace)
    version = "0"

    def attempt(deed: Deed, url: str, purpose: Purpose, query: Mapping[str, str] | None = None) -> Outcome:
        asked_at = time.time()
        try:
            response = client.open(url, purpose, query, head_seconds=ANSWER_SECONDS, silence_seconds=ANSWER_SECONDS)
            clock = read_date(response.headers.get("Date"), _API_SERVER, asked_at, time.time())
            if clock and not clocks:
                clocks.append(clock)
            if deed is Deed.WATCH:
                response.close()
            else:
                documents[deed] = read_body(response, MAX_DOCUMENT_BYTES, ANSWER_SECONDS)
        except ForbiddenError as error:
            return Outcome(deed, str(error), forbidden=True)
        except (KubeError, FetchError) as error:
            return Outcome(deed, str(error))
        return Outcome(deed)

    yield attempt(Deed.LIST, accounts, purpose_of("list", namespace), {"limit": "1"})
    if Deed.LIST in documents:
        try:
            version = str(msgspec.json.decode(documents[Deed.LIST])["metadata"]["resourceVersion"])
        except (msgspec.MsgspecError, RecursionError, KeyError, TypeError):
            version = "0"
    query = {"watch": "1", "timeoutSeconds": "1", "resourceVersion": version}
    yield attempt(Deed.WATCH, accounts, purpose_of("watch", namespace), query)
    yield attempt(Deed.DISCOVER, base + CONFIGURATION_PATH, DISCOVERY)
    yield attempt(Deed.KEYS, base + KEY_SET_PATH, DISCOVERY)


def _read_cluster(documents: Mapping[Deed, bytes], found: FoundKeys | None) -> Cluster:
    issuer, keys = None, None
    try:
        issuer = read_issuer(documents[Deed.DISCOVER])
        keys = frozenset(parse_keyset(documents[Deed.KEYS]).keys)
    except (KeyError, ValueError):
        pass  # a problem of its own, which the outcomes or the key set tell of
    return Cluster(issuer, keys, found.own.audiences if found else ())


def _find_user(settings: Settings) -> str:
    """Ask the API server who we are (SelfSubjectReview); empty if it does not say."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        access = _load_access(settings)
        _, answer = _post(access, f"{access.url}/apis/authentication.k8s.io/v1/selfsubjectreviews", body)
        named = _dig(answer, "status", "userInfo", "username")
        if not named and access.authorization is not None:
            named = _dig(read_json(access.authorization.reveal().partition(" ")[2]), "sub")
    except (KubeError, FetchError, ValueError):
        return ""
    return named


def _dig(answer: object, *names: str) -> str:
    """Return a text deep in an object; empty if it is not there (in a refusal `status` is no object, but a word)."""
    for name in names:
        answer = answer.get(name) if isinstance(answer, dict) else None
    return answer if isinstance(answer, str) else ""


def _load_access(settings: Settings) -> Access:
    if settings.k8s_in_cluster:
        return load_in_cluster(os.environ)
    return load_kubeconfig(settings.kubeconfig or DEFAULT_KUBECONFIG)


def _post(access: Access, url: str, body: Mapping[str, object]) -> tuple[int, object]:
    """Send an object; return the status, and what came back, which is None if it was no JSON.

    Raises:
        FetchError: no answer.
    """
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    if access.authorization:
        headers["Authorization"] = access.authorization.reveal()
    try:
        response = access.pool._pool.request(  # noqa: SLF001  # a `GuardedPool` sends GETs alone
            "POST",
            url,
            body=json.dumps(body).encode(),
            headers=headers,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, total=ANSWER_SECONDS),
            retries=False,
            redirect=False,
            preload_content=False,
        )
        content = response.read(_MAX_BODY)
        response.close()
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise FetchError(f"the API server did not answer ({type(error).__name__})") from None
    try:
        answer = msgspec.json.decode(content)
    except (msgspec.MsgspecError, RecursionError):
        answer = None
    return response.status, answer
