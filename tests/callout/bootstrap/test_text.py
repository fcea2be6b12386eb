"""What is said to the user."""

import shlex
from pathlib import Path

import pytest

from callout.bootstrap.choices import Layout, Resolver
from callout.bootstrap.rotation import retire, rotate
from callout.bootstrap.text import render_readme, say_made, say_retired, say_rotated, say_unchanged
from tests.callout.bootstrap.sample import FOLDER, NOW, deploy
from tests.pages import ROOT
from workers.nkeys import KeyPair, Kind

FRESH = KeyPair(Kind.ACCOUNT, b"f" * 32).public


def test_the_guide_follows() -> None:
    """Its commands are run by the tests, and there are no others; in it the folder is called as in its first step."""
    *_, move, guide, cluster = say_made(deploy(listen="0.0.0.0:4333").record, Path("/with blank"))
    assert "where nats-setup is '/with blank': nats-server at 127.0.0.1:4333, the service, a client." in guide
    assert "Next: move '/with blank/offline' off this machine." == move
    page, _, step = guide.removeprefix("Then ").partition(",")[0].partition(" from step ")
    text = (ROOT / page).read_text()
    assert f"\n## {step.split()[0]}. nats-server\n" in text
    assert "nats-setup/nats.conf" in text
    assert "In Kubernetes: '/with blank/README.txt'." == cluster


def test_what_was_restored_is_named() -> None:
    """Or that nothing was."""
    record = deploy().record
    assert ["/srv/nats is as it was made; nothing was changed."] == say_unchanged(record, FOLDER, [], is_edited=False)
    (line,) = say_unchanged(record, FOLDER, ["nats.conf", "callout.env"], is_edited=False)
    assert "/srv/nats is as it was made but for what was missing; written again: nats.conf, callout.env." == line


def test_what_was_edited_is_not_as_it_was_made() -> None:
    """Which file that is has been said in a warning."""
    record = deploy().record
    (kept,) = say_unchanged(record, FOLDER, [], is_edited=True)
    (both,) = say_unchanged(record, FOLDER, ["nats.conf"], is_edited=True)
    assert "/srv/nats is as it was made but for what was edited; nothing was changed." == kept
    assert "/srv/nats is as it was made but for what was edited and what was missing; written again: nats.conf." == both


def test_an_unfinished_rotation_is_named() -> None:
    """With the command that ends it."""
    record = rotate(deploy().record, "NACK", FRESH, NOW)
    assert say_unchanged(record, FOLDER, [], is_edited=False)[1].endswith("--retire NACK ends that.")


@pytest.mark.parametrize("resolver", list(Resolver))
@pytest.mark.parametrize("name", ["AUTH_ACCOUNT", "AUTH_SERVICE", "SYS"])
def test_the_steps_of_a_rotation_are_in_order(resolver: Resolver, name: str) -> None:
    """Servers first, then who signs, then the old key's end."""
    both = rotate(deploy(resolver=resolver).record, name, FRESH, NOW)
    text = "\n".join(say_rotated(both, name, FOLDER, []))
    way = "$SYS.REQ.CLAIMS.UPDATE" if resolver is Resolver.FULL else "--signal reload=PID"
    steps = [text.index(part) for part in ("1. ", way, "2. ", "3. ", f"--retire {name}")]
    assert sorted(steps) == steps
    assert (name == "SYS") == ("sign those users again" in text)
    assert {True} == {one.public in text for one in both.account(name).signing}


def test_an_edited_file_is_taken_before_anything_else() -> None:
    """As it stands it names the old key alone, and servers and service would be started with that."""
    both = rotate(deploy().record, "AUTH_ACCOUNT", FRESH, NOW)
    lines = say_rotated(both, "AUTH_ACCOUNT", Path("/with blank"), ["callout.env", "nats.conf"])
    text = "\n".join(lines)
    moves = [line.split() for line in lines if line.strip().startswith("mv ")]
    assert [["mv", f"/with blank/{name}.new", f"/with blank/{name}"] for name in ("callout.env", "nats.conf")] == [
        shlex.split(" ".join(move)) for move in moves
    ]
    parts = ("1. carry your edits over", "mv ", "2. let every nats-server", "3. the service signs", "4. when all")
    steps = [text.index(part) for part in parts]
    assert sorted(steps) == steps


def test_retiring_ends_with_the_servers() -> None:
    """Until they know, the key verifies; they read no file that was edited and has its new version beside it."""
    both = rotate(deploy().record, "AUTH_ACCOUNT", FRESH, NOW)
    done, old = retire(both, "AUTH_ACCOUNT", NOW)
    text = "\n".join(say_retired(done, "AUTH_ACCOUNT", old, FOLDER, ["nats.conf"]))
    assert old.public in text
    parts = ("until every nats-server", "mv /srv/nats/nats.conf.new /srv/nats/nats.conf", "--signal reload=PID")
    steps = [text.index(part) for part in parts]
    assert sorted(steps) == steps


@pytest.mark.parametrize("is_retired", [False, True])
def test_the_release_of_nats_keeps_its_values_and_its_chart(*, is_retired: bool) -> None:
    """Helm takes back what is not named, such as TLS and two of three servers, and by itself the newest chart."""
    both = rotate(deploy().record, "AUTH_ACCOUNT", FRESH, NOW)
    done, old = retire(both, "AUTH_ACCOUNT", NOW)
    said = (
        say_retired(done, "AUTH_ACCOUNT", old, FOLDER, [])
        if is_retired
        else say_rotated(both, "AUTH_ACCOUNT", FOLDER, [])
    )
    [command] = (line for line in said if "helm upgrade" in line)
    assert command.endswith(" --reuse-values -f /srv/nats/helm/nats.yaml")
    assert ' --version "${NATS_CHART:?' in command


@pytest.mark.parametrize("layout", list(Layout))
def test_the_readme_explains_the_layout(layout: Layout) -> None:
    """And NACK's chart only where there is NACK."""
    text = render_readme(deploy(nack=layout).record)
    assert f"NACK: {layout.value}. " in text
    assert (layout is not Layout.NONE) == ("nats/nack" in text)


def test_the_readme_installs_what_the_guide_does() -> None:
    """Two releases with two names would be two services on one account; and none is to be without a ceiling."""
    text = render_readme(deploy().record)
    assert "helm upgrade --install nats-k8s-oidc-callout CHECKOUT/k8s/chart --namespace nats-system " in text
    assert "-f helm/callout.yaml -f CHECKOUT/k8s/examples/operator-mode/2-callout.yaml " in text


def test_the_readme_does_not_write_over_the_secrets_of_another_folder() -> None:
    """Their names are always the same: who applies them where a deployment runs takes its keys from it."""
    text = render_readme(deploy().record)
    create = "kubectl create --filename kubernetes/secrets.yaml"
    assert f"  {create} --dry-run=server &&\n  {create}\n" in text
    assert "kubectl apply -f" not in text


def test_an_address_is_quoted() -> None:
    """Brackets are a pattern to a shell."""
    record = deploy(listen="[::1]:4222", resolver=Resolver.FULL).record
    text = "\n".join(say_rotated(rotate(record, "NACK", FRESH, NOW), "NACK", FOLDER, []))
    assert "--server 'nats://[::1]:4222'" in text
