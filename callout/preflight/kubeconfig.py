"""The kubeconfig, looked at before it is used.

It is loaded by the very code that loads it later (`callout.kube.access`), with one exception: a kubeconfig that names a
plugin (`exec`, `auth-provider`) would run it, and plugins talk to the network, ask questions, and hang. Of such a one
only that it can be read is checked.
"""

import re
from pathlib import Path
from typing import Final

from callout.config.table import Settings
from callout.files import MAX_WATCHED_BYTES, read_bounded, reason_of, split_paths
from callout.kube.access import load_kubeconfig
from callout.kube.client import DEFAULT_KUBECONFIG
from callout.kube.errors import ConfigurationError

# A key of YAML or JSON. What only looks like one costs the check.
_PLUGIN: Final = re.compile(rb"""\b(?:exec|auth-provider)["']?\s*:""")


def maybe_list(settings: Settings) -> list[Path]:
    """Return the files of the kubeconfig; none if it is not used, or they are not known."""
    if settings.serviceaccounts_path is not None or settings.k8s_in_cluster:
        return []
    try:
        return list(split_paths(settings.kubeconfig or DEFAULT_KUBECONFIG))
    except RuntimeError:
        return []


def check_kubeconfig(setting: str | None) -> str:
    """Read the kubeconfig, and say in a few words what is in it.

    Raises:
        ValueError: it cannot be used; one line that names the setting.
    """
    text = setting or DEFAULT_KUBECONFIG
    try:
        contents, reasons = _read(split_paths(text))
    except RuntimeError:
        contents, reasons = [], ["this user has no home folder"]
    if not contents:
        raise ValueError(
            f"KUBECONFIG: {text} cannot be read: {reasons[0] if reasons else 'it is empty'}; it is needed with "
            "K8S_IN_CLUSTER=false, unless SERVICEACCOUNTS_PATH is set"
        )
    if any(map(_PLUGIN.search, contents)):
        return "its plugin is run at the start of the service, and not now"
    try:
        return f"the API server is {load_kubeconfig(text).url}"
    except ConfigurationError as error:
        raise ValueError(f"KUBECONFIG: {error}") from None


def _read(paths: tuple[Path, ...]) -> tuple[list[bytes], list[str]]:
    """Read the files that can be read, and say why the others cannot: as for kubectl, one is enough."""
    contents, reasons = [], []
    for path in paths:
        try:
            contents.append(read_bounded(path, MAX_WATCHED_BYTES))
        except OSError as error:
            reasons.append(reason_of(error))
    return contents, reasons
