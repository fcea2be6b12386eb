"""What is said to the user."""

import shlex
from pathlib import Path

import pytest

from callout.bootstrap.choices import Layout, Resolver
from callout.bootstrap.rotation import retire, rotate
from callout.bootstrap.text import render_readme, say_made, say_retired, say_rotated, say_unchanged
from tests.callout.bootstrap.sample import FOLDER, NOW, deploy
from workers.nkeys import KeyPair, Kind

FRESH = KeyPair(Kind.ACCOUNT, b"f" * 32).public


def test_three_commands_follow() -> None:
    """They can be pasted, whatever the folder is called."""
    lines = say_made(deploy(listen="0.0.0.0:4333").record, Path("/with blank"))
    first, second, third = lines[lines.index("Next:") + 1 :]
    assert ["nats-server", "-c", "/with blank/nats.conf"] == shlex.split(first)
    assert "/with blank/callout.env;" in shlex.split(second)
    assert "nats://127.0.0.1:4333" in shlex.split(third)


def test_what_was_restored_is_named() -> None:
    """Or that nothing was."""
    record = deploy().record
    assert ["/srv/nats is as it was made; nothing was changed."] == say_unchanged(record, FOLDER, [])
    assert "written again: nats.conf, callout.env." in say_unchanged(record, FOLDER, ["nats.conf", "callout.env"])[0]


def test_an_unfinished_rotation_is_named() -> None:
    """With the command that ends it."""
    record = rotate(deploy().record, "NACK", FRESH, NOW)
    assert say_unchanged(record, FOLDER, [])[1].endswith("--retire NACK ends that.")


@pytest.mark.parametrize("resolver", list(Resolver))
@pytest.mark.parametrize("name", ["AUTH_ACCOUNT", "AUTH_SERVICE", "SYS"])
def test_the_steps_of_a_rotation_are_in_order(resolver: Resolver, name: str) -> None:
    """Servers first, then who signs, then the old key's end."""
    both = rotate(deploy(resolver=resolver).record, name, FRESH, NOW)
    text = "\n".join(say_rotated(both, name, FOLDER))
    way = "$SYS.REQ.CLAIMS.UPDATE" if resolver is Resolver.FULL else "--signal reload"
    steps = [text.index(part) for part in ("1. ", way, "2. ", "3. ", f"--retire {name}")]
    assert sorted(steps) == steps
    assert (name == "SYS") == ("sign those users again" in text)
    assert {True} == {one.public in text for one in both.account(name).signing}


def test_retiring_ends_with_the_servers() -> None:
    """Until they know, the key verifies."""
    both = rotate(deploy().record, "AUTH_ACCOUNT", FRESH, NOW)
    done, old = retire(both, "AUTH_ACCOUNT", NOW)
    text = "\n".join(say_retired(done, "AUTH_ACCOUNT", old, FOLDER))
    assert old.public in text
    assert "until every nats-server" in text


@pytest.mark.parametrize("layout", list(Layout))
def test_the_readme_explains_the_layout(layout: Layout) -> None:
    """And NACK's chart only where there is NACK."""
    text = render_readme(deploy(nack=layout).record)
    assert f"NACK: {layout.value}. " in text
    assert (layout is not Layout.NONE) == ("nats/nack" in text)


@pytest.mark.parametrize("resolver", list(Resolver))
def test_an_address_is_quoted(resolver: Resolver) -> None:
    """Brackets are a pattern to a shell."""
    record = deploy(listen="[::1]:4222", resolver=resolver).record
    texts = [
        "\n".join(say_made(record, FOLDER)),
        "\n".join(say_rotated(rotate(record, "NACK", FRESH, NOW), "NACK", FOLDER)),
    ]
    for text in texts if resolver is Resolver.FULL else texts[:1]:
        assert "--server 'nats://[::1]:4222'" in text
