"""Key set, issuer and token: whether what tokens are verified with fits the cluster."""

import json
import shlex
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.doctor.findings import Check, Finding, Severity
from callout.doctor.trust import MAX_SHOWN, Cluster, check_owner, check_token, check_trust
from callout.serviceaccounts import ServiceAccount
from tests.minting import Issuer
from workers.keyset import KeySet, parse_keyset
from workers.reasons import Reason
from workers.sa_token import Identity, Refusal, TokenRules, TokenVerifier

NAME, AUDIENCE = "https://kubernetes.test", "nats"
OURS, THEIRS = Issuer.generate("ES256", "ours"), Issuer.generate("ES256", "theirs")
KEYSET = parse_keyset(json.dumps(OURS.jwks()).encode())
RULES = TokenRules(frozenset({NAME}), frozenset({AUDIENCE}))
NOW = 1_700_000_000.0
AGAIN = f"kubectl create token -n orders checkout --audience={AUDIENCE}"


def make_token(signer: Issuer = OURS, **changes: Any) -> str:
    """A token of orders/checkout, good unless something is changed."""
    given: dict[str, Any] = {
        "namespace": "orders",
        "name": "checkout",
        "uid": "u-1",
        "audience": AUDIENCE,
        "issuer": NAME,
        "now": NOW,
    }
    return signer.token(**(given | changes))


def judge(token: str, rules: TokenRules = RULES) -> Finding:
    """What is found of a token, verified as the service does."""
    verifier = TokenVerifier()
    verifier.trust(KEYSET, rules)
    return check_token(token, verifier.verify(token, NOW), KEYSET, rules)


def trust(keyset: KeySet = KEYSET, **cluster: Any) -> dict[Check, Finding]:
    """What is found of a key set beside what the API server says."""
    said = {"issuer": NAME, "keys": frozenset({"ours"})} | cluster
    return {finding.check: finding for finding in check_trust(keyset, (NAME,), (AUDIENCE,), Cluster(**said))}


def test_key_set_and_issuer_fit() -> None:
    """One finding each."""
    found = trust()
    assert dict.fromkeys((Check.KEY_SET, Check.ISSUER, Check.AUDIENCE), Severity.OK) == {
        check: finding.severity for check, finding in found.items()
    }
    assert "1 key can be used" == found[Check.KEY_SET].what


def test_an_audience_of_the_api_servers_is_wrong() -> None:
    """Beside one that is right, too: a token needs but one of them."""
    _, _, finding = check_trust(KEYSET, (NAME,), (AUDIENCE, NAME), Cluster(NAME, frozenset({"ours"})))
    assert (Check.AUDIENCE, Severity.WRONG) == (finding.check, finding.severity)
    assert f"{NAME} is for the API server, so the token that each pod has by default logs in to NATS" == finding.what
    assert finding.mend.startswith("export JWT_AUDIENCE=nats  #")


def test_so_is_one_that_the_pods_own_token_has() -> None:
    """An API server may be called anything; which it is, is known in a pod alone."""
    for own, severity in (((), Severity.OK), (("api.example", AUDIENCE), Severity.WRONG)):
        *_, finding = check_trust(KEYSET, (NAME,), (AUDIENCE,), Cluster(NAME, frozenset({"ours"}), own))
        assert (Check.AUDIENCE, severity) == (finding.check, finding.severity)


def test_keys_that_cannot_be_used_are_worth_a_notice() -> None:
    """Others of the set can."""
    finding = trust(msgspec.structs.replace(KEYSET, problems=("key 2: it has no kid",)))[Check.KEY_SET]
    assert Severity.NOTICE == finding.severity
    assert "1 key can be used; of others: key 2: it has no kid" == finding.what
    assert finding.mend.startswith("kubectl get --raw /openid/v1/jwks")


@pytest.mark.parametrize(
    ("cluster", "severity", "words", "mend"),
    [
        (
            {"issuer": None, "keys": None},
            Severity.UNKNOWN,
            "was not asked for its issuer",
            "kubectl get --raw /.well-known",
        ),
        (
            {"issuer": "https://other"},
            Severity.WRONG,
            "issuer is https://other, and",
            "export JWT_ISSUER=https://other",
        ),
        ({"keys": frozenset({"theirs"})}, Severity.WRONG, "holds none of the API server's", "unset JWKS_URL JWKS_PATH"),
        ({"keys": frozenset({"theirs", "ours"})}, Severity.OK, "its keys are in force", ""),
        ({"keys": None}, Severity.OK, "its keys are in force", ""),
    ],
)
def test_the_issuer_is_compared_with_the_clusters(
    cluster: dict[str, Any], severity: Severity, words: str, mend: str
) -> None:
    """By its name, and by whether one of its keys is in force: during a rotation the sets differ."""
    finding = trust(**cluster)[Check.ISSUER]
    assert severity == finding.severity
    assert words in finding.what
    assert finding.mend.startswith(mend)


def test_a_good_token() -> None:
    """Whose it is, is said."""
    finding = judge(make_token())
    assert (Severity.OK, "the token is good, and of orders/checkout") == (finding.severity, finding.what)


@pytest.mark.parametrize(
    ("token", "reason", "words", "mend"),
    [
        (make_token(audience="vault"), Reason.TOKEN_AUDIENCE, "Its audience is vault, and taken are nats", AGAIN),
        (make_token(audience=["a", "b"]), Reason.TOKEN_AUDIENCE, "Its audience is a, b,", AGAIN),
        (
            make_token(issuer="https://x"),
            Reason.TOKEN_ISSUER,
            "Its issuer is https://x, and taken are",
            "kubectl get --raw /.w",
        ),
        (
            make_token(THEIRS),
            Reason.TOKEN_UNKNOWN_KEY,
            "signed with the key theirs, and the key set has ours",
            "kubectl get",
        ),
        (make_token(now=NOW - 9_000), Reason.TOKEN_EXPIRED, Reason.TOKEN_EXPIRED.meaning, AGAIN),
        (
            make_token(issuer="kubernetes/serviceaccount"),
            Reason.TOKEN_LEGACY,
            "",
            "kubectl create token -n <namespace>",
        ),
        (make_token(now=NOW + 9_000), Reason.TOKEN_NOT_YET_VALID, "", "callout explain --token FILE"),
        ("x" * 9_000, Reason.TOKEN_TOO_LONG, "", "callout explain --token FILE"),
        ("junk", Reason.TOKEN_MALFORMED, "", "callout explain --token FILE"),
        ("", Reason.TOKEN_MISSING, "", "callout explain --token FILE"),
    ],
)
def test_a_refused_token_says_why_and_what_to_do(token: str, reason: Reason, words: str, mend: str) -> None:
    """The reason by its name, what it has and what is wanted, and a command; the token itself is not shown."""
    finding = judge(token)
    assert (Check.TOKEN, Severity.WRONG) == (finding.check, finding.severity)
    assert f"is refused: {reason}. " in finding.what
    assert words in finding.what
    assert finding.mend.startswith(mend)
    assert not token or token[-40:] not in finding.what + finding.mend


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason.value.startswith("token_")])
def test_every_reason_has_its_words(reason: Reason) -> None:
    """Those that have no command of their own point to the one that explains."""
    finding = check_token("junk", Refusal(reason, "orders", "checkout"), KEYSET, RULES)
    assert reason.value in finding.what
    assert finding.mend.startswith(("kubectl ", "callout explain"))
    assert finding.why


def test_the_owner_is_the_one_that_exists_now() -> None:
    """None if all is well; else its own reason, and another remedy."""
    identity = Identity("orders", "checkout", "u-1", NOW)
    assert check_owner(identity, ServiceAccount("orders", "checkout", "u-1", {})) is None
    gone, again = check_owner(identity, None), check_owner(identity, ServiceAccount("orders", "checkout", "u-2", {}))
    assert gone is not None
    assert again is not None
    assert gone.mend.startswith("kubectl create serviceaccount -n orders checkout")
    assert again.mend.startswith("kubectl create token -n orders checkout")
    assert (True, True) == ("serviceaccount_unknown" in gone.what, "serviceaccount_recreated" in again.what)


def test_what_nobody_has_vouched_for_becomes_no_part_of_a_command() -> None:
    """A refused token may be from anybody, and somebody will paste what stands below it."""
    odd = make_token(namespace="x; touch evil #", name="$(id)", now=NOW - 9_000)
    assert "kubectl create token -n <namespace> <serviceaccount> --audience=nats" == judge(odd).mend
    rules = TokenRules(RULES.issuers, frozenset({"two words"}))
    assert "--audience=two words" in shlex.split(judge(make_token(), rules).mend)
    issuer = trust(issuer="https://x;$(id)")[Check.ISSUER].mend
    assert ["export", "JWT_ISSUER=https://x;$(id)"] == shlex.split(issuer)


@settings(max_examples=200, deadline=None)
@given(st.text(), st.text(), st.text(), st.text())
def test_whatever_a_token_says_is_one_line(issuer: str, audience: str, namespace: str, name: str) -> None:
    """And not a long one."""
    token = make_token(issuer=issuer, audience=audience, namespace=namespace, name=name)
    finding = judge(token)
    assert finding.what.isprintable()
    assert finding.mend.isprintable()
    assert len(finding.what) < 12 * MAX_SHOWN
