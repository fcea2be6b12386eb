"""The values files of three charts: NATS's, this service's, NACK's. They name Secrets and hold none.

Sources: https://github.com/nats-io/k8s, helm/charts/nats (1.x: `config.merge` goes into nats.conf as it is) and
helm/charts/nack; the service's own chart keeps the value names of the Go service's.
"""

from collections.abc import Mapping
from typing import Any, Final

from callout.bootstrap import places
from callout.bootstrap.choices import Resolver
from callout.bootstrap.forms import render_size
from callout.bootstrap.nats_conf import describe_patience, describe_resolver, describe_trust
from callout.bootstrap.record import Deployment
from callout.bootstrap.yaml_text import render_yaml

NATS_PORT: Final = 4222  # the chart's
NATS_TAG: Final = "2.15.3-alpine"
"""Of nats-server's image: the newest that the tests run on, whatever the chart's own is."""


def render_nats_values(deployment: Deployment, accounts: Mapping[str, str]) -> str:
    """Write the values of the chart nats/nats, 1.x."""
    choices = deployment.record.choices
    merge = describe_patience() | describe_trust(deployment, accounts)
    config: dict[str, Any] = {
        "jetstream": {
            "enabled": True,
            "fileStore": {"enabled": True, "pvc": {"size": render_size(choices.store_disk)}},
            "memoryStore": {"enabled": True, "maxSize": render_size(choices.store_memory)},
        },
        "merge": merge,
    }
    resolver = describe_resolver(choices.resolver, None)  # the chart says where the folder is
    if choices.resolver is Resolver.FULL:
        config["resolver"] = {"enabled": True, "merge": resolver}
    else:
        merge["resolver"] = resolver
    image = {"image": {"tag": NATS_TAG}}
    box = {"contexts": {"sys": {"creds": {"secretName": places.SYS_SECRET, "key": "sys.creds"}}}}
    head = f"""\
# Made by 'callout bootstrap', for the official chart (1.x), after kubectl create --filename {places.SECRETS}:
#   helm upgrade --install nats nats/nats --namespace {choices.namespace} -f {places.NATS_VALUES}
# The version of nats-server is the newest that was tested; raise it with each release of its line. Who answers no ping
# is given up after 20 s at most: until then a server or a node that hangs takes logins with it.
# For three servers add -f k8s/examples/production/1-nats.yaml, which protects their routes, too. Name all your values
# files each time: one that is left out is taken back. Units and variables that you add to config.merge stand in << >>,
# such as 'max_payload: << 2MB >>'.
"""
    return head + render_yaml({"container": image, "config": config, "natsBox": box | {"defaultContextName": "sys"}})


def render_callout_values(deployment: Deployment) -> str:
    """Write the values of the service's own chart."""
    record = deployment.record
    nats: dict[str, Any] = {
        "url": _url(deployment),
        "mode": "operator",
        "account": record.account(record.choices.client_account).public,
        "userCredentials": _reference(places.CREDENTIALS_KEY),
        "signingKey": _reference(places.SIGNING_KEY),
        "accountSigningKey": _reference(places.ACCOUNT_SIGNING_KEY),
    }
    if record.xkey:
        nats["xkey"] = _reference(places.XKEY_KEY)
    return "# Made by 'callout bootstrap', for the chart of nats-k8s-oidc-callout.\n" + render_yaml({"nats": nats})


def render_nack_values(deployment: Deployment) -> str:
    """Write the values of the chart nats/nack."""
    credentials = {"secret": {"name": places.NACK_SECRET, "key": "nack.creds"}}
    head = "# Made by 'callout bootstrap', for the official chart of NACK. It runs as one replica.\n"
    return head + render_yaml({"jetstream": {"nats": {"url": _url(deployment), "credentials": credentials}}})


def _url(deployment: Deployment) -> str:
    return f"nats://nats.{deployment.record.choices.namespace}.svc.cluster.local:{NATS_PORT}"


def _reference(key: str) -> dict[str, str]:
    return {"existingSecret": places.SERVICE_SECRET, "existingSecretKey": key}
