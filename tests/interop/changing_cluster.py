"""A cluster in which things change: ServiceAccounts come and go, keys are rotated; as files, or behind an API server.

Every file is put in its place by a rename, as the kubelet does, so that the service never reads half of one; tests that
want it to read half of one write it themselves.
"""

import json
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.fake_kube_api import FakeKubeApi
from tests.minting import Issuer

ISSUER = "https://kubernetes.default.svc.cluster.local"
AUDIENCE = "nats"
"""JWT_AUDIENCE's default."""


class ChangingCluster:
    """ServiceAccounts, signing keys and tokens, in `folder`.

    Attributes:
        manifests: folder with a file for each ServiceAccount.
        jwks: file with the key set.
        signer: what signs tokens from now on; may be replaced.
    """

    def __init__(self, folder: Path) -> None:
        self.manifests = folder / "serviceaccounts"
        self.manifests.mkdir()
        self.jwks = folder / "jwks.json"
        self.signer = Issuer.generate("ES256")
        self._uids: dict[tuple[str, str], str] = {}
        self.publish(self.signer)

    @property
    def variables(self) -> dict[str, str]:
        """The variables that tell `callout serve` about it."""
        return {"SERVICEACCOUNTS_PATH": str(self.manifests), "JWKS_PATH": str(self.jwks), "JWT_ISSUER": ISSUER}

    def publish(self, *issuers: Issuer) -> None:
        """Let the key set be the keys of these."""
        replace(self.jwks, json.dumps(key_set(*issuers)))

    def put(
        self, namespace: str, name: str, *, pub: Sequence[str] = (), sub: Sequence[str] = (), recreate: bool = False
    ) -> None:
        """Create or change a ServiceAccount; with `recreate` it is another one of the same name."""
        if recreate:
            self._uids.pop((namespace, name), None)
        uid = self._uids.setdefault((namespace, name), str(uuid.uuid4()))
        sides = {"nats.io/allowed-pub-subjects": ", ".join(pub), "nats.io/allowed-sub-subjects": ", ".join(sub)}
        self._write(namespace, name, uid, {annotation: subjects for annotation, subjects in sides.items() if subjects})

    def delete(self, namespace: str, name: str) -> None:
        """Delete a ServiceAccount."""
        self.file(namespace, name).unlink()

    def token(self, namespace: str, name: str, **claims: Any) -> str:
        """A token of the ServiceAccount as it is now; `claims` are those of `Issuer.token`."""
        defaults: dict[str, Any] = {"audience": AUDIENCE, "issuer": ISSUER, "now": time.time()}
        uid = self._uids.get((namespace, name)) or str(uuid.uuid4())
        return self.signer.token(namespace, name, uid, **(defaults | claims))

    def file(self, namespace: str, name: str) -> Path:
        """Where a ServiceAccount's manifest is."""
        return self.manifests / f"{namespace}.{name}.yaml"

    def _write(self, namespace: str, name: str, uid: str, annotations: dict[str, str]) -> None:
        metadata = {"namespace": namespace, "name": name, "uid": uid, "annotations": annotations}
        manifest = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
        replace(self.file(namespace, name), json.dumps(manifest, ensure_ascii=False))  # which is YAML


class ApiCluster(ChangingCluster):
    """The same behind an API server, which the service asks for ServiceAccounts, key set and issuer."""

    def __init__(self, folder: Path, api: FakeKubeApi) -> None:
        self._api = api
        self._kubeconfig = api.write_kubeconfig(folder / "kubeconfig")
        api.issuer = ISSUER
        super().__init__(folder)

    @property
    def variables(self) -> dict[str, str]:
        """The variables that tell `callout serve` about it."""
        return {"KUBECONFIG": str(self._kubeconfig), "K8S_IN_CLUSTER": "false"}

    def publish(self, *issuers: Issuer) -> None:
        """Let the key set be the keys of these."""
        self._api.jwks = json.dumps(key_set(*issuers)).encode()

    def delete(self, namespace: str, name: str) -> None:
        """Delete a ServiceAccount."""
        with self._api.cluster() as cluster:
            cluster.delete(namespace, name)

    def _write(self, namespace: str, name: str, uid: str, annotations: dict[str, str]) -> None:
        with self._api.cluster() as cluster:
            known = cluster.picture().get((namespace, name))
            if known is not None and known[0] != uid:
                cluster.delete(namespace, name)
            cluster.put(namespace, name, annotations, uid)


def key_set(*issuers: Issuer) -> dict[str, Any]:
    """A key set of the keys of these."""
    return {"keys": [issuer.jwk() for issuer in issuers]}


def replace(path: Path, content: str | bytes) -> None:
    """Change a file in one step."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(content.encode() if isinstance(content, str) else content)
    fresh.chmod(0o600)
    fresh.rename(path)


def move_away(path: Path) -> Path:
    """Let a file or folder no longer be where it is; return where it is now."""
    return path.rename(path.with_name(f".{path.name}.away"))
