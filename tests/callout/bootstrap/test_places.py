"""Where everything stands: one name for each thing, in the folder and in Kubernetes."""

import itertools
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.bootstrap import places
from callout.bootstrap.choices import Choices, Layout, Resolver
from callout.bootstrap.forms import parse_name
from tests.callout.bootstrap.on_disk import render
from tests.callout.bootstrap.sample import FOLDER, deploy

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", fullmatch=True)
FIXED = {value for name, value in vars(places).items() if name.isupper() and isinstance(value, str)}


@settings(max_examples=200, deadline=None)
@given(NAMES, NAMES, st.integers(1, 99), st.integers(1, 99))
def test_no_two_things_share_a_place(one: str, other: str, number: int, later: int) -> None:
    """Whatever operator and accounts are called, and however often their keys were replaced."""
    parse_name(one)
    made = [
        places.jwt_of(one),
        places.jwt_of(other),
        places.root_of(one),
        places.root_of(other),
        places.seed_of(one, number),
        places.seed_of(other, later),
    ]
    clashes = {frozenset((i, j)) for i, j in itertools.combinations(range(6), 2) if made[i] == made[j]}
    same = {frozenset((0, 1)), frozenset((2, 3))} if one == other else set()
    assert same | ({frozenset((4, 5))} if (one, number) == (other, later) else set()) == clashes
    assert set() == set(made) & FIXED


@settings(max_examples=200, deadline=None)
@given(NAMES, st.integers(1, 99))
def test_every_place_is_within_the_folder(name: str, number: int) -> None:
    """One level down at most: that is what the folder is made of."""
    for place in (places.jwt_of(name), places.root_of(name), places.seed_of(name, number), places.creds_of(name)):
        path = PurePosixPath(place)
        assert 2 == len(path.parts)
        assert not {"..", "."} & set(path.parts)


@pytest.mark.parametrize("layout", list(Layout))
def test_what_is_written_has_its_place_here(layout: Layout) -> None:
    """No file is called by a name that another module made up."""
    deployment = deploy(nack=layout, xkey=True, resolver=Resolver.FULL)
    record = deployment.record
    members = (record.operator, *record.accounts)
    known = FIXED | {places.jwt_of(one.name) for one in members} | {places.creds_of(name) for name in record.users}
    known |= {places.seed_of(one.name, key.number) for one in members for key in one.signing}
    assert set() == set(render(deployment, FOLDER)) - known


def test_what_may_leave_the_machine_stands_apart() -> None:
    """And so does what nats-server writes to."""
    assert "offline/AUTH_SERVICE.nk" == places.root_of("AUTH_SERVICE")
    assert "resolver/A1.jwt" == places.resolved("A1")
    assert Choices().namespace not in places.SECRETS
    assert 3 == len({places.SERVICE_SECRET, places.SYS_SECRET, places.NACK_SECRET})
