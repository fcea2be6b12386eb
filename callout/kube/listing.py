"""All ServiceAccounts as they are now, for a command that asks once: the list of a watch, without the watch.

Rules kept here:
- Page by page: what is given comes from one page, and the next is asked for when the caller wants more.
- A failure ends it: who has asked decides whether to ask again.
"""

from collections.abc import Callable, Iterator

from callout.fetch_errors import TooMuchError
from callout.kube.client import KubeClient, read_body, serviceaccounts_url
from callout.kube.errors import NoAnswerError, purpose_of
from callout.kube.reflector import Limits, Reflector
from callout.serviceaccounts import ServiceAccount


def list_serviceaccounts(
    client: KubeClient,
    annotation_prefix: str,
    namespace: str = "",
    limits: Limits | None = None,
    *,
    tell: Callable[[str], object] = lambda _: None,
) -> Iterator[ServiceAccount]:
    """Give the ServiceAccounts of a namespace, or of all if it is empty.

    Args:
        client: the way to the API server.
        annotation_prefix: of the annotations that are kept.
        namespace: whose they are; empty for all.
        limits: how much is asked for at once.
        tell: called with the name (`namespace/name`) of each that is there and cannot be read; it is left out.

    Raises:
        KubeError: see `callout.kube.errors`; what was given before is not the whole.
    """
    limits = limits or Limits()
    reflector = Reflector(annotation_prefix, limits)
    url = serviceaccounts_url(client.api_server_url, namespace)
    is_last = False
    while not is_last:
        response = client.open(url, purpose_of("list", namespace), reflector.next_request(0).query)
        try:
            page = reflector.receive_page(read_body(response, limits.page_bytes))
        except TooMuchError as error:
            raise NoAnswerError(str(error)) from None
        if page.problem:
            raise NoAnswerError(page.problem)
        for name in page.unreadable:
            tell(name)
        yield from (found for found in page.changes if isinstance(found, ServiceAccount))
        is_last = page.last
