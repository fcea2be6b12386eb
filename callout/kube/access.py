"""How to reach the API server, as the official client finds it out: in a pod, or from a kubeconfig.

The only module that imports `kubernetes`. The official client (37.0; `kubernetes.client` stands on urllib3) understands
the in-cluster files and kubeconfigs (tokens, exec plugins, client certificates, proxies) and makes a connection pool
with the TLS settings that follow. That much of it is used; its requests and models are not:

- With `_preload_content=False` it hands out urllib3's response, which is what we want; but it follows redirects, tries
  again by itself, and reads the body of every refusal to its end, however long. So `callout.kube.client` sends its
  requests to the pool directly.
- Its `refresh_api_key_hook` reads the in-cluster token again once a minute, an exec plugin's when it expires, and a
  kubeconfig's `tokenFile` or a CA never. So `callout.kube.client` loads everything anew instead.
- Its errors about a kubeconfig quote the user's entry, token and all. So their text is never shown.
"""

import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml
from kubernetes.client import ApiClient, Configuration
from kubernetes.config import ConfigException, load_kube_config
from kubernetes.config.incluster_config import InClusterConfigLoader

from callout.fetch import GuardedPool
from callout.files import reason_of, split_paths
from callout.kube.errors import ConfigurationError
from callout.secret import Secret
from callout.urls import parse_origin

SERVICE_ACCOUNT_DIRECTORY: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")

_InCluster: Any = InClusterConfigLoader  # these two have no types
_load_kube_config: Any = load_kube_config

# A scheme and one word (RFC 9110 section 11.4). The HTTP library would refuse anything else and quote it in its error.
_AUTHORIZATION: Final = re.compile(r"[A-Za-z]+ [!-~]+")


class Access(msgspec.Struct, frozen=True):
    """How to reach the API server, as it was found at one moment.

    Attributes:
        url: the base of all its addresses; it may have a path, but no slash at its end.
        pool: makes connections with the right CA, client certificate and proxy.
        authorization: the header of that name, or None where a client certificate does its work.
        ca_file: the CA that vouches for the API server; None means the system's CAs.
        files: what all this was read from; when one of them changes it is to be loaded again.
    """

    url: str
    pool: GuardedPool
    authorization: Secret | None
    ca_file: Path | None
    files: tuple[Path, ...]


def load_in_cluster(environ: Mapping[str, str], directory: Path = SERVICE_ACCOUNT_DIRECTORY) -> Access:
    """Find the API server as a pod does: address from the environment, token and CA from the mounted ServiceAccount.

    Raises:
        ConfigurationError: not in a pod, or the pod has no token.
    """
    files = directory / "token", directory / "ca.crt"
    configuration: Any = Configuration()
    try:
        _InCluster(token_filename=str(files[0]), cert_filename=str(files[1]), environ=environ).load_and_set(
            configuration
        )
    except (ConfigException, OSError, ValueError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else str(error).rstrip(".")
        raise ConfigurationError(
            f"no in-cluster configuration ({reason}): run in a pod with automountServiceAccountToken,"
            " or set K8S_IN_CLUSTER=false and KUBECONFIG"
        ) from None
    return _make_access(configuration, files)


def load_kubeconfig(paths: str) -> Access:
    """Find the API server as kubectl does. An exec plugin is waited for without a limit.

    Args:
        paths: one path or several joined by colons, as in KUBECONFIG; those that do not exist are skipped.

    Raises:
        ConfigurationError: there is no kubeconfig, or it cannot be used.
    """
    try:
        files = split_paths(paths)
    except RuntimeError:
        raise ConfigurationError(
            f"the kubeconfig {paths} cannot be found: this user has no home folder; set KUBECONFIG to its whole path"
        ) from None
    if not any(file.exists() for file in files):
        raise ConfigurationError(
            f"there is no kubeconfig at {paths}: set KUBECONFIG to its path, or K8S_IN_CLUSTER=true in a pod"
        )
    configuration: Any = Configuration()
    advice = f"see what `kubectl --kubeconfig {paths} get serviceaccounts` says"
    try:
        with _hear_errors() as heard:
            _load_kube_config(config_file=paths, client_configuration=configuration, persist_config=False)
    except OSError as error:
        raise ConfigurationError(f"a file of the kubeconfig {paths} cannot be read ({reason_of(error)})") from None
    except yaml.YAMLError:
        raise ConfigurationError(f"the kubeconfig {paths} is no YAML; {advice}") from None
    except Exception:  # noqa: BLE001  # what it raises depends on what is wrong, and its text may hold a token
        raise ConfigurationError(f"the kubeconfig {paths} is incomplete or malformed; {advice}") from None
    if heard:
        raise ConfigurationError(f"the exec plugin of the kubeconfig {paths} gave no credentials; {advice}")
    found = (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file)
    return _make_access(configuration, (*files, *(Path(path) for path in found if path)))


def _make_access(configuration: Any, files: tuple[Path, ...]) -> Access:
    url = str(configuration.host).rstrip("/")
    try:
        parse_origin(url)
    except ValueError as error:
        raise ConfigurationError(f"the API server's address cannot be used: {error}") from None
    if not configuration.verify_ssl:
        raise ConfigurationError(
            "the kubeconfig sets insecure-skip-tls-verify: whoever stands in between could let anybody into NATS;"
            " give certificate-authority instead"
        )
    # Dead peers are noticed by the kernel after three minutes even if nothing is ever sent on a quiet watch.
    configuration.keep_alive = True
    ca_file = configuration.ssl_ca_cert
    return Access(
        url,
        GuardedPool(ApiClient(configuration).rest_client.pool_manager),
        _authorization_of(configuration),
        Path(ca_file) if ca_file else None,
        files,
    )


def _authorization_of(configuration: Any) -> Secret | None:
    for setting in configuration.auth_settings().values():
        header = str(setting["value"]).strip()
        if not _AUTHORIZATION.fullmatch(header):
            raise ConfigurationError("the token for the API server is not one word of printable characters")
        return Secret(header)
    return None


@contextmanager
def _hear_errors() -> Iterator[list[str]]:
    """Notice what this thread logs by the root logger: only so does the official client tell of a plugin that failed.

    It is not passed on: it would not be JSON, and may hold whatever the plugin has written. What other threads log
    there is left alone: among them may be one whose plugin hangs.
    """
    heard: list[str] = []
    listener = threading.get_ident()
    silent = logging.NullHandler()  # with no handler at all, `logging.error` would set one up for the whole process

    def keep(record: logging.LogRecord) -> bool:
        if record.thread != listener:
            return True
        heard.append(record.levelname)
        return False

    logging.root.addHandler(silent)
    logging.root.addFilter(keep)
    try:
        yield heard
    finally:
        logging.root.removeFilter(keep)
        logging.root.removeHandler(silent)
