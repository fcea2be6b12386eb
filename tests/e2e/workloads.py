"""ServiceAccounts of a real cluster, made as a user makes them, with kubectl; the service's own among them."""

import json
import secrets

from tests.e2e.cluster import Cluster

AUDIENCE = "nats"
"""JWT_AUDIENCE's default."""
DISCOVERY = "system:service-account-issuer-discovery"
"""Kubernetes' own role for reading the issuer's keys."""


class Workload:
    """A ServiceAccount, made at once.

    Args:
        cluster: where.
        namespace: made too, unless it exists.
        name: may hold dots.
    """

    def __init__(self, cluster: Cluster, namespace: str, name: str) -> None:
        self.namespace = namespace
        self.name = name
        self._cluster = cluster
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        cluster.kubectl.apply(manifest)
        self.create()

    def create(self) -> None:
        """Make it, again if it was deleted."""
        self._cluster.kubectl("create", "serviceaccount", self.name, "--namespace", self.namespace)

    def delete(self) -> None:
        """Delete it."""
        self._cluster.kubectl("delete", "serviceaccount", self.name, "--namespace", self.namespace)

    def annotate(self, *, pub: str = "", sub: str = "") -> None:
        """Let it ask for subjects."""
        sides = {"pub": pub, "sub": sub}
        words = [f"nats.io/allowed-{side}-subjects={subjects}" for side, subjects in sides.items() if subjects]
        self._cluster.kubectl(
            "annotate", "--overwrite", "serviceaccount", self.name, "--namespace", self.namespace, *words
        )

    def token(self, *options: str) -> str:
        """A new token for NATS; for somebody else if `options` name another audience."""
        return self._cluster.create_token(self.namespace, self.name, *(options or (f"--audience={AUDIENCE}",)))

    def may(self, *words: str) -> bool:
        """Tell what `kubectl auth can-i` says to it."""
        identity = f"system:serviceaccount:{self.namespace}:{self.name}"
        groups = ("--as-group=system:serviceaccounts", "--as-group=system:authenticated")
        done = self._cluster.kubectl.attempt("auth", "can-i", *words, "--as", identity, *groups)
        return done.returncode == 0


def unique(word: str) -> str:
    """A name that no other test has taken in the cluster."""
    return f"{word}-{secrets.token_hex(4)}"


def make_callout(cluster: Cluster) -> Workload:
    """The service's own ServiceAccount, with no rights."""
    return Workload(cluster, unique("nats-system"), "nats-callout")


def grant_watch(cluster: Cluster, callout: Workload, namespace: str = "", verbs: str = "get,list,watch") -> None:
    """Let the service watch ServiceAccounts, in one namespace or in all, as docs/server-mode.md has it."""
    kind, where = ("role", ("--namespace", namespace)) if namespace else ("clusterrole", ())
    name, member = callout.namespace, f"{callout.namespace}:{callout.name}"
    cluster.kubectl("create", kind, name, "--verb", verbs, "--resource", "serviceaccounts", *where)
    cluster.kubectl("create", f"{kind}binding", name, f"--{kind}", name, "--serviceaccount", member, *where)


def grant_discovery(cluster: Cluster, callout: Workload) -> None:
    """Let the service read the key set and the issuer."""
    member = f"{callout.namespace}:{callout.name}"
    name = f"{callout.namespace}-keys"
    cluster.kubectl("create", "clusterrolebinding", name, "--clusterrole", DISCOVERY, "--serviceaccount", member)


def make_callout_with_rights(cluster: Cluster) -> Workload:
    """The service's own ServiceAccount, with the rights that it needs and no others."""
    callout = make_callout(cluster)
    grant_watch(cluster, callout)
    grant_discovery(cluster, callout)
    return callout


def make_kubeconfig(cluster: Cluster, callout: Workload) -> dict[str, str]:
    """The variables for a service outside the cluster that has the rights of that ServiceAccount."""
    token = cluster.create_token(callout.namespace, callout.name)
    return {"K8S_IN_CLUSTER": "false", "KUBECONFIG": str(cluster.kubectl_as(token).kubeconfig)}


def make_many(cluster: Cluster, namespace: str, number: int) -> None:
    """Make a namespace with so many ServiceAccounts, in one go."""
    cluster.kubectl("create", "namespace", namespace)
    items = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": namespace, "name": f"sa-{one}"}}
        for one in range(number)
    ]
    manifest = {"apiVersion": "v1", "kind": "List", "items": items}
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(manifest))


def count_all(cluster: Cluster) -> int:
    """How many ServiceAccounts the cluster has."""
    return len(cluster.kubectl("get", "serviceaccounts", "--all-namespaces", "--output", "name").splitlines())
