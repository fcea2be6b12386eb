"""The admission policy on a real API server: who may write the annotations, and what may stand in them."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from callout.policy.subjects import MAX_SUBJECT_LENGTH, is_valid
from callout.policy.verdict import MAX_ANNOTATION_LENGTH
from tests.e2e.cluster import Cluster
from tests.e2e.kubectl import Kubectl
from tests.pages import ROOT
from tests.waiting import PATIENCE_SECONDS, until_sync

POLICY = ROOT / "k8s/policies/serviceaccount-annotations.yaml"
PUB, SUB = "nats.io/allowed-pub-subjects", "nats.io/allowed-sub-subjects"
MEMBER = ("--as=ann", "--as-group=nats-administrators", "--as-group=editors")
OUTSIDER = ("--as=otto", "--as-group=editors")
"""Both may edit ServiceAccounts, by RBAC."""
SUBJECTS = (
    *("orders", "orders.created", "orders.*.created", "orders.>", "*", ">", "*.>", "$JS.API.>", "a-b_c/d", "größe.µ"),
    *("_INBOX.>", "a:b", "x" * MAX_SUBJECT_LENGTH, "é" * (MAX_SUBJECT_LENGTH // 2), "日本.語"),
    *("orders.", ".orders", "orders..created", ".", "..", "orders created", "orders.>.created", ">.orders"),
    *("orders*", "*orders", "orders.cre*", "orders.>>", "**", "orders.**", "a\tb", "a\nb", "a\x00b", "a\x7fb"),
    *("a\u00a0b", "a\u2028b", "a\u200bb", "a\ufeffb", "a\ue000b", "a\N{REPLACEMENT CHARACTER}b", "orders…"),
    *("x" * (MAX_SUBJECT_LENGTH + 1), "é" * (MAX_SUBJECT_LENGTH // 2 + 1)),
)
"""On both sides of each rule of the grammar."""


@pytest.fixture(scope="module")
def guarded(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of its own: others' tests write annotations as they like."""
    with guard(tools, tmp_path_factory.mktemp("guarded"), POLICY.read_text()) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def shared(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One where others use the prefix: the policy is edited as its head says."""
    with guard(tools, tmp_path_factory.mktemp("shared"), share_prefix(POLICY.read_text())) as cluster:
        yield cluster


def share_prefix(policy: str) -> str:
    """The policy for a prefix that others use, too."""
    rules, binding = yaml.safe_load_all(policy)
    [touched] = (one for one in rules["spec"]["variables"] if one["name"] == "touched")
    before, after = "name.startsWith(variables.prefix)", "name in variables.known"
    assert 2 == touched["expression"].count(before)
    touched["expression"] = touched["expression"].replace(before, after)
    validations = rules["spec"]["validations"]
    rules["spec"]["validations"] = kept = [one for one in validations if "variables.unknown" not in one["expression"]]
    assert 1 == len(validations) - len(kept)
    return yaml.safe_dump_all([rules, binding])


@contextlib.contextmanager
def guard(tools: Path, folder: Path, policy: str) -> Iterator[Cluster]:
    """A cluster where the policy is in force, with two who may edit ServiceAccounts."""
    with Cluster(tools, folder) as cluster:
        kubectl = cluster.kubectl
        kubectl("create", "clusterrole", "editor", "--verb=*", "--resource=serviceaccounts")
        kubectl("create", "clusterrolebinding", "editor", "--clusterrole=editor", "--group=editors")
        kubectl("create", "namespace", "orders")
        kubectl("create", "serviceaccount", "billing", "--namespace=orders")
        kubectl("annotate", "serviceaccount", "billing", "--namespace=orders", f"{PUB}=audit.billing")
        kubectl("apply", "--filename", "-", stdin=policy)
        until_sync(lambda: write(kubectl, OUTSIDER, {PUB: "a"}) != "", PATIENCE_SECONDS, "the policy is in force")
        yield cluster


def write(kubectl: Kubectl, who: Sequence[str], annotations: dict[str, str] | None) -> str:
    """Have a ServiceAccount made, in a dry run; return what the API server says against it."""
    metadata = {"name": "checkout", "namespace": "orders", "annotations": annotations}
    manifest = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
    return kubectl.attempt("create", "--dry-run=server", "-f", "-", *who, stdin=json.dumps(manifest)).stderr


def annotate(kubectl: Kubectl, who: Sequence[str], *words: str) -> str:
    """Change the annotations of the ServiceAccount that has some, in a dry run."""
    command = ("annotate", "serviceaccount", "billing", "--namespace=orders", "--overwrite", "--dry-run=server")
    return kubectl.attempt(*command, *who, *words).stderr


def test_an_outsider_may_not_write_the_annotations(guarded: Cluster) -> None:
    """Neither with a new ServiceAccount nor on one that exists: not set, not change, not take away."""
    forbidden = f"only members of the group nats-administrators may write the annotation {PUB}"
    assert forbidden in write(guarded.kubectl, OUTSIDER, {PUB: "audit.orders"})
    assert forbidden in annotate(guarded.kubectl, OUTSIDER, f"{PUB}=audit.orders")
    assert forbidden in annotate(guarded.kubectl, OUTSIDER, f"{PUB}-")
    assert "may write the annotation nats.io/whatever" in annotate(guarded.kubectl, OUTSIDER, "nats.io/whatever=x")


def test_an_outsider_may_do_all_else(guarded: Cluster) -> None:
    """Make a ServiceAccount, annotate it otherwise, and edit one whose annotations stay as they are."""
    assert "" == write(guarded.kubectl, OUTSIDER, None)
    assert "" == write(guarded.kubectl, OUTSIDER, {"example.com/nats.io": "a..b", "nats.iox/y": "z"})
    assert "" == annotate(guarded.kubectl, OUTSIDER, "example.com/team=billing", f"{PUB}=audit.billing")


def test_a_member_may_write_the_annotations(guarded: Cluster) -> None:
    """Entries with blanks around them and empty ones are as good as for the service."""
    assert "" == write(guarded.kubectl, MEMBER, {PUB: "orders.>, audit.*,", SUB: ""})
    assert "" == annotate(guarded.kubectl, MEMBER, f"{PUB}=audit.orders", f"{SUB}=announcements.>")
    assert "" == annotate(guarded.kubectl, MEMBER, f"{PUB}-")


def test_a_malformed_subject_is_refused(guarded: Cluster) -> None:
    """Also from a member, on either side, and the first one is named."""
    for name in (PUB, SUB):
        assert '"orders..created" is no NATS subject' in write(
            guarded.kubectl, MEMBER, {name: "orders.>, orders..created, a b"}
        )


def test_a_misspelt_annotation_is_refused(guarded: Cluster) -> None:
    """It would grant nothing, and nobody would say so; what begins otherwise is no business of the policy."""
    told = f"the annotation nats.io/allowed-pub-subject means nothing: there are {PUB} and {SUB}"
    assert told in write(guarded.kubectl, MEMBER, {"nats.io/allowed-pub-subject": "audit.orders"})
    assert told in annotate(guarded.kubectl, MEMBER, "nats.io/allowed-pub-subject=audit.orders")
    assert "" == annotate(guarded.kubectl, MEMBER, "nats.io/allowed-pub-subject-", "example.com/allowed-pub-subject=x")


def test_others_may_use_the_prefix_where_the_policy_says_so(shared: Cluster) -> None:
    """An outsider may write their annotations and none of ours; a member still nothing that is no subject."""
    assert "" == write(shared.kubectl, OUTSIDER, {"nats.io/whatever": "x"})
    assert "" == annotate(shared.kubectl, OUTSIDER, "nats.io/allowed-pub-subject=audit.orders")
    for name in (PUB, SUB):
        forbidden = f"only members of the group nats-administrators may write the annotation {name}"
        assert forbidden in write(shared.kubectl, OUTSIDER, {name: "audit.orders"})
        assert '"orders..created" is no NATS subject' in write(shared.kubectl, MEMBER, {name: "orders..created"})
    assert f"may write the annotation {PUB}" in annotate(shared.kubectl, OUTSIDER, f"{PUB}-")
    assert "" == write(shared.kubectl, MEMBER, {PUB: "orders.>", "nats.io/whatever": "x"})


def test_nobody_is_above_the_policy(guarded: Cluster) -> None:
    """The cluster's administrator can take himself into the group, and is told so otherwise."""
    assert "only members of the group" in write(guarded.kubectl, (), {PUB: "audit.orders"})


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: repr(subject[:20]))
def test_what_is_a_subject_is_so_for_the_service_too(guarded: Cluster, subject: str) -> None:
    """Neither lets through what the other drops as malformed."""
    assert is_valid(subject) == (write(guarded.kubectl, MEMBER, {PUB: subject}) == "")


def test_the_longest_annotation_can_be_checked(guarded: Cluster) -> None:
    """The API server bounds what a policy may cost; as much as the service reads is within that."""
    most = ",".join(["a.b"] * (MAX_ANNOTATION_LENGTH // 4))
    assert "" == write(guarded.kubectl, MEMBER, {PUB: most, SUB: most})
