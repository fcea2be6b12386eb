"""The Secrets for Kubernetes: what the service, NACK and the administrator need, each in the namespace of its user.

Rules kept here:
- Secrets are in this one file, and in it alone: values files may be committed.
- A Secret's keys stay the same when a signing key is replaced, so that applying it again is all there is to do.
"""

from collections.abc import Mapping
from typing import Final

from callout.bootstrap import places
from callout.bootstrap.record import ADMINISTRATOR, NACK, SERVICE, Deployment
from callout.bootstrap.yaml_text import render_yaml
from callout.nats_jwt import render_creds
from callout.secret import Secret
from workers.nkeys import KeyPair

_HEAD: Final = """\
# Made by 'callout bootstrap'. Secret: never commit it. kubectl create --filename it, in namespaces that exist: that
# leaves a deployment that has such Secrets its own. kubectl apply after --rotate alone, from the same folder: it
# replaces keys.
"""


def render_secrets(deployment: Deployment) -> Secret:
    """Write the Secrets: of the service, of the system account's administrator, of NACK."""
    record, material = deployment.record, deployment.material
    choices = record.choices
    creds = {
        name: render_creds(one.jwt.reveal(), Secret(one.key.encode_seed()))
        for name, one in material.credentials.items()
    }
    service = {
        places.CREDENTIALS_KEY: creds[SERVICE].reveal(),
        places.SIGNING_KEY: _seed(_signer(deployment, choices.service_account)),
        places.ACCOUNT_SIGNING_KEY: _seed(_signer(deployment, choices.client_account)),
    }
    if material.curve is not None:
        service[places.XKEY_KEY] = _seed(material.curve)
    objects = [
        _secret(places.SERVICE_SECRET, choices.namespace, service),
        _secret(places.SYS_SECRET, choices.namespace, {"sys.creds": creds[ADMINISTRATOR].reveal()}),
    ]
    if NACK in creds:
        objects.append(_secret(places.NACK_SECRET, choices.nack_namespace, {"nack.creds": creds[NACK].reveal()}))
    return Secret(_HEAD + "---\n".join(render_yaml(one) for one in objects))


def _signer(deployment: Deployment, account: str) -> KeyPair:
    return deployment.material.signing[deployment.record.account(account).signing[-1].public]


def _seed(key: KeyPair) -> str:
    return key.encode_seed() + "\n"


def _secret(name: str, namespace: str, content: Mapping[str, str]) -> dict[str, object]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "stringData": dict(content)}
