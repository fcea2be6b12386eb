"""The files of a folder."""

import pytest

from callout.bootstrap.choices import Choices, Layout, Resolver
from callout.bootstrap.contents import render_first, render_material, render_rest
from callout.bootstrap.record import begin
from callout.secret import looks_secret
from tests.callout.bootstrap.sample import FOLDER, NOW, deploy, drawing


def test_what_holds_a_seed_is_private() -> None:
    """And nothing else is: servers and people of other groups may read it if the folder lets them."""
    deployment, roots = begin(Choices(xkey=True), drawing(), NOW)
    files = {**render_material(deployment), **render_rest(deployment, FOLDER), **render_first(deployment, roots)}
    seeds = [key.encode_seed() for key in (*roots.values(), *deployment.material.signing.values())]
    seeds += [one.key.encode_seed() for one in deployment.material.credentials.values()]
    assert deployment.material.curve is not None
    seeds.append(deployment.material.curve.encode_seed())
    for name, file in files.items():
        assert file.private == any(seed in file.text.reveal() for seed in seeds), name
        assert file.private <= looks_secret(file.text.reveal())


def test_the_own_keys_are_apart() -> None:
    """In a folder that says what they are."""
    deployment, roots = begin(Choices(), drawing(), NOW)
    files = render_first(deployment, roots)
    assert {
        *(f"offline/{name}.nk" for name in ("nats", "SYS", "AUTH_SERVICE", "AUTH_ACCOUNT", "NACK")),
        "offline/README.txt",
    } == set(files)
    assert "delete it here" in files["offline/README.txt"].text.reveal()


def test_a_full_resolver_finds_the_accounts() -> None:
    """Each by its public key."""
    deployment, roots = begin(Choices(resolver=Resolver.FULL), drawing(), NOW)
    expected = {f"resolver/{one.public}.jwt" for one in deployment.record.accounts}
    assert expected == {name for name in render_first(deployment, roots) if name.startswith("resolver/")}


@pytest.mark.parametrize("layout", list(Layout))
def test_the_same_deployment_gives_the_same_files(layout: Layout) -> None:
    """To the byte; NACK's are there if NACK is."""
    first, second = (render_rest(deploy(nack=layout), FOLDER) for _ in range(2))
    assert first == second
    assert (layout is not Layout.NONE) == ("helm/nack.yaml" in first)
    assert {"nats.conf", "callout.env", "bootstrap.json", "kubernetes/secrets.yaml", "jwt/SYS.jwt"} < set(first)
