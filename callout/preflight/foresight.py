"""What the running service will warn of in its log, as far as it is known before: who asks now, reads no log.

Rules kept here:
- The words are the service's own. It says them itself when the key set is in, so its start does not say them too.
- No network: of the API server's names those are known that the settings say, and the pod's own token.
"""

from collections.abc import Iterator
from pathlib import Path

from callout.config.table import Settings
from callout.files import read_bounded
from callout.given_token import MAX_TOKEN_BYTES
from callout.keys.own_token import OwnToken, read_own_token
from callout.keys.rules import find_api_audiences, warn_of_api_audiences, warn_of_refused_issuer
from callout.kube.access import SERVICE_ACCOUNT_DIRECTORY
from callout.workspace import warn_of_disk


def foresee(settings: Settings, directory: Path = SERVICE_ACCOUNT_DIRECTORY) -> Iterator[str]:
    """Say what there will be to warn of, a line each.

    Args:
        settings: valid.
        directory: where a pod finds its own token.
    """
    own = _look_at_token(directory) if settings.k8s_in_cluster and settings.serviceaccounts_path is None else OwnToken()
    if found := find_api_audiences(settings.jwt_audience, settings.jwt_issuer, own.audiences):
        yield warn_of_api_audiences(found)
    if settings.jwt_issuer and own.issuer and own.issuer not in settings.jwt_issuer:
        yield warn_of_refused_issuer(own.issuer, settings.jwt_issuer)
    if settings.snapshot_dir is not None:
        yield from warn_of_disk(settings.snapshot_dir)


def _look_at_token(directory: Path) -> OwnToken:
    try:
        token = read_bounded(directory / "token", MAX_TOKEN_BYTES)
    except OSError:  # outside of a pod, or the service itself tells of that
        return OwnToken()
    return read_own_token(token.decode("utf-8", "replace").strip())
