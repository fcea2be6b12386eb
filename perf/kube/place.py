"""Where in a deployed cluster ServiceAccounts are made for a measurement, as the arguments say it.

The namespace has to exist and to be named: nothing is made where nobody has asked for it. It is none of the cluster's
own, for tokens are made of the ServiceAccounts in it, and somebody is given the right to have that done.
"""

import argparse
import os
import re
from typing import Final

import msgspec
from urllib3.util import parse_url

from callout.config.values import parse_annotation_prefix, parse_list, parse_namespace
from callout.files import reason_of, split_paths
from callout.kube.client import DEFAULT_KUBECONFIG
from callout.secret import quote

DEFAULT_AUDIENCE: Final = "nats"
DEFAULT_PREFIX: Final = "nats.io/"
_CLUSTERS_OWN: Final = re.compile(r"default|kube-.*")
_OPTIONS: Final = ("kubeconfig", "namespace", "audience", "annotation_prefix", "metrics_url", "keep")


class Place(msgspec.Struct, frozen=True):
    """Where, and how the service there is set up.

    Attributes:
        kubeconfig: its path, or several joined by colons.
        namespace: an existing one, with no ServiceAccounts of others.
        audience: whom the service wants tokens to be meant for.
        annotation_prefix: what the annotations begin with that it reads.
        metrics_urls: its pages, as far as they can be reached; one a replica.
        keep: whether the ServiceAccounts are left there at the end.
    """

    kubeconfig: str
    namespace: str
    audience: str
    annotation_prefix: str
    metrics_urls: tuple[str, ...]
    keep: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say it."""
    group = parser.add_argument_group("ServiceAccounts of the deployed cluster")
    group.add_argument("--namespace", metavar="NAME", help="an existing, empty one, in which they are made and deleted")
    group.add_argument("--kubeconfig", metavar="FILE", help=f"of who may ($KUBECONFIG, or else {DEFAULT_KUBECONFIG})")
    group.add_argument("--audience", metavar="WORD", help=f"the service's JWT_AUDIENCE ({DEFAULT_AUDIENCE})")
    group.add_argument(
        "--annotation-prefix", metavar="TEXT", help=f"the service's SA_ANNOTATION_PREFIX ({DEFAULT_PREFIX})"
    )
    group.add_argument(
        "--metrics-url", metavar="URL,…", help="the service's pages, http://host:port/metrics, one a replica"
    )
    group.add_argument("--keep", action="store_const", const=True, help="leave them there for the next run")


def find_place(options: argparse.Namespace) -> Place | None:
    """Return where; None if the arguments do not name a deployed cluster.

    Raises:
        ValueError: what is wrong with them, in a line.
    """
    if options.nats_url is None:
        given = [name for name in _OPTIONS if getattr(options, name) is not None]
        if given:
            raise ValueError(f"--{given[0].replace('_', '-')} needs --nats-url")
        return None
    return Place(
        kubeconfig=_find_kubeconfig(options.kubeconfig),
        namespace=_check_namespace(options.namespace),
        audience=options.audience or DEFAULT_AUDIENCE,
        annotation_prefix=_check_prefix(options.annotation_prefix),
        metrics_urls=_check_urls(options.metrics_url),
        keep=bool(options.keep),
    )


def _find_kubeconfig(given: str | None) -> str:
    found = given or os.environ.get("KUBECONFIG") or DEFAULT_KUBECONFIG
    try:
        exists = any(path.is_file() for path in split_paths(found))
    except RuntimeError:  # a ~, and no home
        exists = False
    except OSError as error:
        raise ValueError(f"--kubeconfig names a file that cannot be read: {reason_of(error)}") from None
    if not exists:
        raise ValueError(f"--kubeconfig has to name a file that exists, and {quote(found)} does not")
    return found


def _check_namespace(given: str | None) -> str:
    try:
        namespace = parse_namespace(given or "")
    except ValueError:
        raise ValueError("--namespace has to name an existing namespace, to make ServiceAccounts in") from None
    if _CLUSTERS_OWN.fullmatch(namespace):
        raise ValueError("--namespace has to name a namespace of its own: neither default nor kube-…")
    return namespace


def _check_prefix(given: str | None) -> str:
    try:
        return parse_annotation_prefix(DEFAULT_PREFIX if given is None else given)
    except ValueError:
        raise ValueError("--annotation-prefix has to be what annotations begin with, such as nats.io/") from None


def _check_urls(given: str | None) -> tuple[str, ...]:
    try:
        urls = parse_list(given) if given is not None else ()
        good = all(_is_plain(url) for url in urls)
    except ValueError:
        good = False
    if not good:
        raise ValueError("--metrics-url has to be of the form http://host:port/metrics")
    return urls


def _is_plain(url: str) -> bool:
    """Tell whether it is an address that may be shown: without a password. `ValueError` if it is none at all.

    It is taken apart as it is when the page is read (`perf.figures.pages`).
    """
    parts = parse_url(url)
    is_address = parts.scheme in {"http", "https"} and bool(parts.host) and parts.port != 0
    return is_address and parts.auth is None and url.isprintable()
