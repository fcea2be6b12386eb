"""`callout explain`: what it asks, what it prints, and how it ends."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from callout.manifests.manifest import derive_uid
from callout.policy.verdict import DropReason
from tests.callout.doctor.site import Site
from tests.callout.explain.running import CHECKOUT, LONG_AGO, Run
from tests.commands import attempt
from tests.fake_kube_api import FakeKubeApi, Status
from tests.http_serving import serving
from tests.kubeconfigs import write_kubeconfig
from tests.nats_minting import NatsKey
from workers.reasons import Reason


def test_a_good_token_is_explained(run: Run, write_token: Callable[..., Path]) -> None:
    """Each step has passed, and what it gets is shown with where it comes from."""
    path = write_token()
    code, out, err = run("--token", path)
    assert (0, "") == (code, err)
    assert "orders/checkout would be let in, to account APP." == out.splitlines()[0]
    assert "  signature       ok" in out.splitlines()
    assert "  events.>  annotation nats.io/allowed-pub-subjects" in out.splitlines()
    assert "  publish >: leading_wildcard" in out.splitlines()
    assert path.read_text().strip().rpartition(".")[2] not in out


def test_a_refused_token_is_explained(run: Run, write_token: Callable[..., Path]) -> None:
    """Exit code 1, and the reason with what to do."""
    code, out, err = run("--token", write_token(ends=LONG_AGO + 600))
    assert (1, "") == (code, err)
    assert "  token_expired" in out.splitlines()


@pytest.mark.parametrize(
    ("account", "uid", "reason"),
    [(CHECKOUT, "u-0", "serviceaccount_recreated"), ("# nobody", "u-0", "serviceaccount_unknown")],
    ids=["recreated", "unknown"],
)
def test_the_serviceaccount_counts(  # fixtures
    run: Run, write_token: Callable[..., Path], tmp_path: Path, account: str, uid: str, reason: str
) -> None:
    """A good token of one that was made anew, or is not there, is refused."""
    (tmp_path / "accounts" / "orders.yaml").write_text(account)
    code, out, _ = run("--token", write_token(uid))
    assert 1 == code
    assert f"  {reason}" in out.splitlines()


def test_a_manifest_without_a_uid_is_told_with_the_uid_to_put_there(run: Run, write_token: Callable[..., Path]) -> None:
    """Restarting a pod would not help: its token's uid is the right one."""
    code, out, _ = run("--token", write_token("u-0"))
    assert 1 == code
    assert "  Put the token's there: metadata.uid should be u-0." in out.splitlines()
    assert "Restart" not in out


def test_a_serviceaccount_is_explained_without_keys(run: Run) -> None:
    """The key set is not asked for."""
    code, out, _ = run("--serviceaccount", "orders/checkout", JWKS_PATH="/nowhere")
    assert 0 == code
    assert "  events.>  annotation nats.io/allowed-pub-subjects" in out.splitlines()


def test_a_serviceaccount_is_explained_with_nothing_else_set(run: Run) -> None:
    """Keys, seeds, issuer and account say nothing of its permissions; the uid is told, and that it was derived."""
    names = ("NATS_ACCOUNT", "NATS_SIGNING_KEY_FILE", "JWKS_PATH", "JWT_ISSUER")
    code, out, err = run("--serviceaccount", "orders/checkout", **dict.fromkeys(names), NATS_WORKERS="many")
    assert (0, "") == (code, err)
    uid = derive_uid("orders", "checkout")
    assert [
        "orders/checkout would be let in.",
        f"Its uid is {uid}, derived from its name, since its manifest has none.",
    ] == out.splitlines()[:2]


def test_a_token_is_explained_without_an_account(run: Run, write_token: Callable[..., Path]) -> None:
    """Nor is a seed asked for: nothing is signed."""
    code, out, err = run("--token", write_token(), NATS_ACCOUNT=None, NATS_SIGNING_KEY_FILE=None)
    assert (0, "") == (code, err)
    assert "orders/checkout would be let in." == out.splitlines()[0]


def test_a_server_that_is_no_api_server_knows_of_no_serviceaccount(run: Run, tmp_path: Path) -> None:
    """Its 404 is not taken for that answer: one line says who has given it."""
    site = Site()
    site.status, site.body = 404, b"404 page not found"
    address = site.url.removesuffix("/metrics")
    path = write_kubeconfig(tmp_path / "config", {"server": address}, {})
    unset = dict.fromkeys(("JWKS_PATH", "JWT_ISSUER", "SERVICEACCOUNTS_PATH"))
    with serving(site.server):
        code, out, err = run(
            "--serviceaccount", "orders/checkout", K8S_IN_CLUSTER="false", KUBECONFIG=str(path), **unset
        )
    assert (1, "", 1) == (code, out, len(err.splitlines()))
    assert f"{address} answers that there is no such page (404): see that this is the address of the API server" in err


def test_a_serviceaccount_that_is_not_there_is_refused(run: Run) -> None:
    """Exit code 1: its clients would be refused."""
    code, out, _ = run("--serviceaccount", "orders/nobody")
    assert 1 == code
    assert "  serviceaccount_unknown" in out.splitlines()


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("orders/chekcout", ["  SERVICEACCOUNTS_PATH has no orders/chekcout; was orders/checkout meant?"]),
        ("orders/nobody", []),
    ],
)
def test_a_name_that_is_misspelt_is_told_with_the_one_that_is_meant(run: Run, name: str, note: list[str]) -> None:
    """The manifests say which names there are; nothing is guessed that is not close."""
    _, out, _ = run("--serviceaccount", name)
    assert note == [line for line in out.splitlines() if "meant" in line]


@pytest.mark.parametrize("what", ["--serviceaccount", "--token"])
def test_json_is_written(run: Run, write_token: Callable[..., Path], what: str) -> None:
    """For machines, the same."""
    code, out, _ = run(what, "orders/checkout" if what == "--serviceaccount" else write_token(), "--json")
    explanation = json.loads(out)
    assert (0, True, "APP") == (code, explanation["allowed"], explanation["permissions"]["account"])
    own = {"subject": "orders.>", "source": "namespace default", "reach": "", "doubt": ""}
    assert own in explanation["permissions"]["publish"]


def test_the_cluster_is_asked(run: Run, api: FakeKubeApi, tmp_path: Path, write_token: Callable[..., Path]) -> None:
    """Key set, issuer and ServiceAccount come from the API server if nothing else is set."""
    kubeconfig = str(api.write_kubeconfig(tmp_path / "config"))
    unset = dict.fromkeys(("JWKS_PATH", "JWT_ISSUER", "SERVICEACCOUNTS_PATH"))
    code, out, err = run("--token", write_token("u-1"), K8S_IN_CLUSTER="false", KUBECONFIG=kubeconfig, **unset)
    assert (0, "") == (code, err)
    assert "  events.>  annotation nats.io/allowed-pub-subjects" in out.splitlines()


def test_only_the_namespace_that_is_served_is_asked_for(run: Run, api: FakeKubeApi, tmp_path: Path) -> None:
    """Whoever is outside of K8S_NAMESPACE is unknown to the service, and so here."""
    settings = {"K8S_IN_CLUSTER": "false", "KUBECONFIG": str(api.write_kubeconfig(tmp_path / "config"))}
    unset = dict.fromkeys(("JWKS_PATH", "JWT_ISSUER", "SERVICEACCOUNTS_PATH"))
    codes = [
        run("--serviceaccount", "orders/checkout", K8S_NAMESPACE=namespace, **settings, **unset)[0]
        for namespace in ("orders", "billing")
    ]
    assert [0, 1] == codes


def test_a_misspelt_prefix_is_asked_about(run: Run, api: FakeKubeApi, tmp_path: Path) -> None:
    """Wherever the ServiceAccount comes from."""
    wrong = "nat.io/allowed-pub-subjects"
    (tmp_path / "accounts" / "orders.yaml").write_text(CHECKOUT.replace("nats.io/allowed-pub-subjects", wrong))
    with api.cluster() as cluster:
        cluster.put("orders", "checkout", uid="u-1", annotations={wrong: "events.>"})
    settings = {"K8S_IN_CLUSTER": "false", "KUBECONFIG": str(api.write_kubeconfig(tmp_path / "config"))}
    unset = dict.fromkeys(("JWKS_PATH", "JWT_ISSUER", "SERVICEACCOUNTS_PATH"))
    for changes in ({}, settings | unset):
        code, out, _ = run("--serviceaccount", "orders/checkout", **changes)
        assert 0 == code
        assert f"  {wrong}; was nats.io/allowed-pub-subjects meant?" in out.splitlines()
        assert "events.>" not in out


def test_only_the_namespace_that_is_served_is_read_from_files(run: Run) -> None:
    """As from the API server; the setting that leaves the ServiceAccount out is named."""
    assert 0 == run("--serviceaccount", "orders/checkout", K8S_NAMESPACE="orders")[0]
    code, out, _ = run("--serviceaccount", "orders/checkout", K8S_NAMESPACE="ordres")
    assert 1 == code
    assert "  serviceaccount_unknown" in out.splitlines()
    assert "  K8S_NAMESPACE is ordres, so the service knows no ServiceAccount of orders." in out.splitlines()


def test_what_cannot_be_reached_is_said_in_one_line(run: Run, api: FakeKubeApi, tmp_path: Path) -> None:
    """Exit code 1: asking again later may help."""
    api.fail("get", Status(403))
    unset = dict.fromkeys(("JWKS_PATH", "JWT_ISSUER", "SERVICEACCOUNTS_PATH"))
    kubeconfig = str(api.write_kubeconfig(tmp_path / "config"))
    code, out, err = run("--serviceaccount", "orders/checkout", K8S_IN_CLUSTER="false", KUBECONFIG=kubeconfig, **unset)
    assert (1, "", 1) == (code, out, len(err.splitlines()))
    assert err.startswith("callout: we may not get serviceaccounts in namespace orders (403)")


@pytest.mark.parametrize(
    ("changes", "code", "line"),
    [
        ({"JWKS_PATH": "/nowhere"}, 1, "JWKS_PATH: /nowhere cannot be read"),
        ({"SERVICEACCOUNTS_PATH": "/nowhere"}, 1, "SERVICEACCOUNTS_PATH: /nowhere: no such file or directory; give"),
        ({"NATS_CEILING_FILE": "/nowhere"}, 2, "NATS_CEILING_FILE: /nowhere cannot be read"),
        ({"JWT_ISSUER": None}, 2, "JWT_ISSUER: is required with SERVICEACCOUNTS_PATH"),
    ],
    ids=["key set", "folder", "ceiling", "settings"],
)
def test_what_is_wrong_outside_is_said(
    run: Run, write_token: Callable[..., Path], changes: dict[str, str | None], code: int, line: str
) -> None:
    """One line that names it."""
    actual, out, err = run("--token", write_token(), **changes)
    assert (code, "", 1) == (actual, out, len(err.splitlines()))
    assert err.startswith(f"callout: {line}")


def test_problems_with_files_are_noted(run: Run, tmp_path: Path) -> None:
    """The rest is explained all the same."""
    (tmp_path / "accounts" / "broken.yaml").write_text("a: b: c")
    code, out, _ = run("--serviceaccount", "orders/checkout")
    assert 0 == code
    assert "  broken.yaml: document 1 (line 1): broken YAML" in out


def test_a_broken_file_may_hold_who_is_not_found(run: Run, tmp_path: Path) -> None:
    """A running service still has its earlier content, and that comes before the verdict."""
    (tmp_path / "accounts" / "broken.yaml").write_text("a: b: c")
    code, out, _ = run("--serviceaccount", "orders/billing")
    first, rest = out.split("\n\n", maxsplit=1)
    assert 1 == code
    assert first.startswith("broken.yaml: document 1 (line 1): broken YAML")
    assert " ".join(first.split()).endswith("A running service goes on with the last content that it could read.")
    assert rest.startswith("orders/billing would be refused.")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "one of the arguments --token --serviceaccount --all --reason is required"),
        (["--serviceaccount", "checkout"], "--serviceaccount: 'checkout' is none; give namespace/name"),
        (["--reason", "bad"], "--reason: 'bad' is none; there are request_malformed, "),
        (["--serviceaccount", "a/b/c"], "--serviceaccount: 'a/b/c' is none"),
        (["--token", "/nowhere"], "--token: '/nowhere' cannot be read: no such file or directory; give the path"),
        (["--token", "/nowhere", "--serviceaccount", "a/b"], "argument --serviceaccount: not allowed with"),
    ],
)
def test_wrong_usage_is_one_line(run: Run, arguments: list[str], line: str) -> None:
    """Exit code 2, and what is right."""
    code, out, err = run(*arguments)
    assert (2, "", 1) == (code, out, len(err.splitlines()))
    assert err.startswith(f"callout: {line}")


def test_a_token_on_the_command_line_is_not_repeated(run: Run, write_token: Callable[..., Path]) -> None:
    """It belongs into a file; who puts it here should not find it in a log, too."""
    token = write_token().read_text().strip()
    code, out, err = run("--token", token)
    assert 2 == code
    assert token[:20] not in out + err


def test_a_line_end_after_the_token_is_told_of(run: Run, write_token: Callable[..., Path]) -> None:
    """It is left out here and by most shells, and a client that reads the file as it is sends it."""
    file = write_token()
    assert "What was given ends in a line end" in run("--token", file)[1]
    file.write_text(file.read_text().strip())
    code, out, _ = run("--token", file)
    assert (0, False) == (code, "line end" in out)


def test_standard_input_is_read(environ: dict[str, str], write_token: Callable[..., Path]) -> None:
    """As `kubectl create token … | callout explain --token -` gives it."""
    done = attempt(
        [sys.executable, "-m", "callout", "explain", "--token", "-"],
        stdin=write_token().read_text(),
        env={**os.environ, **environ},
    )
    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith("orders/checkout would be let in")


@pytest.mark.parametrize("reason", [*Reason, *DropReason])
def test_a_reason_is_explained_without_any_setting(run: Run, reason: Reason | DropReason) -> None:
    """Whoever finds it in a log line or a metric need not look for the documentation."""
    unset = dict.fromkeys(("NATS_ACCOUNT", "NATS_SIGNING_KEY_FILE", "JWKS_PATH", "JWT_ISSUER", "SERVICEACCOUNTS_PATH"))
    code, out, err = run("--reason", reason.value, **unset)
    assert (0, "", reason.value) == (code, err, out.splitlines()[0])
    assert f"{reason.meaning} {reason.remedy}".split() == " ".join(out.splitlines()[1:]).split()
    assert {"reason": reason.value, "meaning": reason.meaning, "remedy": reason.remedy} == json.loads(
        run("--reason", reason.value, "--json", **unset)[1]
    )


def test_every_reason_has_one_meaning() -> None:
    """Logins and subjects have no reason in common, so a name is enough to look it up."""
    names = [reason.value for reason in (*Reason, *DropReason)]
    assert sorted(set(names)) == sorted(names)


def test_a_seed_is_not_needed(run: Run, tmp_path: Path) -> None:
    """Whoever explains need not be able to sign."""
    assert not (tmp_path / "signing.nk").exists()
    operator = {
        "NATS_MODE": "operator",
        "NATS_ACCOUNT": NatsKey.generate("account").public,
        "NATS_ACCOUNT_SIGNING_KEY_FILE": "/nowhere",
        "NATS_USER_CREDS_FILE": "/nowhere",
    }
    code, out, _ = run("--serviceaccount", "orders/checkout", **operator)
    assert 0 == code
    assert f"orders/checkout would be let in, to account {operator['NATS_ACCOUNT']}." == out.splitlines()[0]
