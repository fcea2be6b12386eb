"""Rights on the Kubernetes API, and the commands that grant them."""

import shlex

from callout.doctor.findings import Severity
from callout.doctor.rights import Deed, Outcome, check_rights, miss_rights, skip_rights

US = "system:serviceaccount:nats:callout"


def test_all_rights() -> None:
    """Then there is nothing to mend."""
    assert Severity.OK == check_rights([Outcome(deed) for deed in Deed], US, "").severity


def test_each_missing_rule_has_its_command() -> None:
    """Bound to who we are; within one namespace a Role is enough."""
    finding = check_rights([Outcome(Deed.WATCH, "403", forbidden=True)], US, "orders")
    assert finding.mend.startswith("kubectl create role nats-k8s-oidc-callout -n orders --verb=get,list,watch")
    assert "kubectl create rolebinding nats-k8s-oidc-callout -n orders" in finding.mend
    assert finding.mend.endswith("--serviceaccount=nats:callout")
    finding = check_rights([Outcome(Deed.KEYS, "403", forbidden=True)], "jane", "")
    assert "--clusterrole=system:service-account-issuer-discovery --user=jane" in finding.mend


def test_what_fails_otherwise_is_no_matter_of_rights() -> None:
    """The problem is told as it was met."""
    finding = check_rights([Outcome(Deed.LIST, "no connection")], US, "")
    assert ("no connection", Severity.WRONG) == (finding.what, finding.severity)


def test_what_cannot_be_tried_is_not_called_well() -> None:
    """Nor is it wrong: what would be needed is said. Without an API server no rights are needed."""
    assert (Severity.UNKNOWN, "no kubeconfig") == (
        miss_rights("no kubeconfig").severity,
        miss_rights("no kubeconfig").what,
    )
    assert "KUBECONFIG" in miss_rights("no kubeconfig").mend
    assert Severity.OK == skip_rights().severity


def test_a_user_becomes_no_part_of_a_command() -> None:
    """Its name is whatever vouches for users."""
    outcomes = [Outcome(deed, "403", forbidden=True) for deed in Deed]
    mend = check_rights(outcomes, "jane; $(id)", "").mend
    assert 2 == shlex.split(mend).count("--user=jane; $(id)")
    assert "--serviceaccount=<namespace>:<the service's ServiceAccount>" in check_rights(outcomes, "", "").mend
