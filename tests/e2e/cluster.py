"""A Kubernetes API as real as it gets without nodes: etcd and kube-apiserver on loopback, all else in one folder.

There is no kube-controller-manager. So nobody makes the ServiceAccount `default` in a new namespace, writes Secrets
with legacy tokens, deletes what an owner left behind, or empties a deleted namespace: that stays in `Terminating` with
all that is in it. The roles `view`, `edit` and `admin` are empty, for that controller fills them: grant what
`system:aggregate-to-view` and its like hold. There is no kubelet either: a pod can be created and a token bound to it,
but it never runs.

The API server stands here as kubeadm sets it up, where a verifier of tokens can tell: RBAC, ServiceAccount admission,
the default issuer, TLS by a CA of its own. It differs in that the administrator has a static token, that its own
compaction of etcd (every five minutes) is off, so that only tests compact, and that nobody advertises its address.
"""

import contextlib
import secrets
import ssl
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.authority import Authority
from tests.e2e.etcd import Etcd
from tests.e2e.kubectl import Kubectl
from tests.e2e.server_process import HeldPort, ServerProcess
from tests.kubeconfigs import write_kubeconfig

ISSUER = "https://kubernetes.default.svc.cluster.local"
"""kubeadm's default."""
API_NAME = "api.kubernetes.test"
"""What the API server is called besides, as on k3s: the token that each pod has by default is for both."""
SERVICE_RANGE = "10.96.0.0/16"
"""kubeadm's default too; nothing here answers in it."""
HTTP_SECONDS = 15
"""Every answer takes milliseconds, save that of a watch, which takes the `timeoutSeconds` asked for."""


class Cluster:
    """A Kubernetes API within a `with` block.

    Args:
        tools: the folder with etcd, kube-apiserver and kubectl.
        folder: an existing, empty folder for keys, data and logs.
        issuer: what its tokens name as their issuer.

    Attributes:
        url: where it is, on https.
        ca_file: the CA of its certificate.
        keys: the files of the signing keys: the first signs, all of them verify and are published.
        kubectl: kubectl as the administrator, who may do everything.
        admin_token: the administrator's, for `get`.
        etcd: the database behind it.
    """

    def __init__(self, tools: Path, folder: Path, issuer: str = ISSUER) -> None:
        self.issuer = issuer
        self.etcd = Etcd(tools / "etcd", folder)
        self._folder = folder
        self._tools = tools
        self._port = HeldPort()
        self._process = ServerProcess("kube-apiserver", folder / "kube-apiserver.log")
        self._authority = Authority(folder, "kubernetes", ("kubernetes.default.svc",))
        self.admin_token = secrets.token_urlsafe()
        self.url = f"https://127.0.0.1:{self._port.number}"
        self.ca_file = self._authority.ca_file
        self.keys: Sequence[Path] = [self.make_signing_key()]
        self.kubectl = self.kubectl_as(self.admin_token)

    def __enter__(self) -> Self:
        tokens = self._folder / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text(f"{self.admin_token},admin,admin,system:masters\n")
        with contextlib.ExitStack() as undo:
            undo.push(self)
            self.etcd.__enter__()
            self.start()
            undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            self.etcd.__exit__()
            self._port.close()

    @property
    def pid(self) -> int:
        """The API server's process."""
        return self._process.pid

    def start(self) -> None:
        """Start the API server on its port and data; for tests of an outage, after `stop` or `kill`."""
        options = {
            "etcd-servers": self.etcd.url,
            "etcd-compaction-interval": "0",
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "endpoint-reconciler-type": "none",
            "secure-port": self._port.number,
            "tls-cert-file": self._authority.chain_file,
            "tls-private-key-file": self._authority.chain_file,
            "token-auth-file": self._folder / "tokens.csv",
            "authorization-mode": "RBAC",
            "service-cluster-ip-range": SERVICE_RANGE,
            "service-account-issuer": self.issuer,
            "api-audiences": f"{self.issuer},{API_NAME}",
            "service-account-signing-key-file": self.keys[0],
        }
        keys = [f"--service-account-key-file={key}" for key in self.keys]
        command = [f"--{name}={value}" for name, value in options.items()]
        self._process.start([self._tools / "kube-apiserver", *command, *keys], self._is_ready)

    def stop(self) -> None:
        """End the API server as a roll-out does; requests may finish, open watches break. etcd goes on."""
        self._process.stop()

    def kill(self) -> None:
        """End the API server without warning; etcd goes on."""
        self._process.kill()

    def restart(self, keys: Sequence[Path] | None = None) -> None:
        """Stop and start on the same port and data; with other signing keys if given, the one that signs first."""
        self.stop()
        self.keys = self.keys if keys is None else keys
        self.start()

    def make_signing_key(self, algorithm: str = "RS256") -> Path:
        """Make a key for signing tokens, RS256 or ES256; `restart` with it puts it to use."""
        private = (
            rsa.generate_private_key(public_exponent=65537, key_size=2048)
            if algorithm == "RS256"
            else ec.generate_private_key(ec.SECP256R1())
        )
        path = self._folder / f"signing-key-{secrets.token_hex(4)}.pem"
        path.touch(mode=0o600)
        path.write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,  # the API server reads no EC key as PKCS #8
                serialization.NoEncryption(),
            )
        )
        return path

    def expire_versions(self) -> None:
        """Make every resourceVersion so far too old (410 Gone), for lists, for their pages and for watches.

        etcd forgets, and the API server is restarted: it keeps the last events in memory, and would serve a watch from
        there. A revision of its own comes first, so that even the newest version read before is too old.
        """
        self.etcd.put("e2e", secrets.token_hex(4))
        self.etcd.compact()
        self.restart()

    def create_token(self, namespace: str, name: str, *options: str) -> str:
        """Have a token made for a ServiceAccount, by the TokenRequest API; `options` as `--audience=…`."""
        return self.kubectl("create", "token", "-n", namespace, name, *options).strip()

    def kubectl_as(self, token: str) -> Kubectl:
        """Return kubectl for whoever has this token."""
        kubeconfig = self._folder / f"kubeconfig-{secrets.token_hex(4)}"
        write_kubeconfig(kubeconfig, {"server": self.url, "certificate-authority": str(self.ca_file)}, {"token": token})
        return Kubectl(self._tools / "kubectl", kubeconfig, self._folder)

    def get(self, path: str, token: str = "") -> tuple[int, bytes]:
        """Status and body of a GET over TLS that trusts only the cluster's CA; without a token it is anonymous."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(self.url + path, headers=headers)
        context = ssl.create_default_context(cafile=str(self.ca_file))
        try:
            with urllib.request.urlopen(request, timeout=HTTP_SECONDS, context=context) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def _is_ready(self) -> bool:
        """All its own checks pass, and it has made the namespace `default`, which it does a little later."""
        with contextlib.suppress(OSError):
            paths = ("/readyz", "/api/v1/namespaces/default")
            return all(self.get(path, self.admin_token)[0] == 200 for path in paths)
        return False
