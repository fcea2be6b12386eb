"""A user of the Go service keeps the environment: what is taken, what is warned of, what is refused."""

import re

import pytest

from callout.config.help import show
from callout.config.loading import ConfigError, load
from callout.config.table import ALIASES, IGNORED, TABLE
from tests.go_service import DEPLOYED, REFUSED, TAKEN, WARNED, environ
from tests.pages import ROOT

PAGE = (ROOT / "docs/migrate-from-go.md").read_text()
USUAL = WARNED["the interval of a cache"][1]
"""The one warning of an environment that has nothing wrong with it."""


def test_its_environment_is_taken() -> None:
    """Each variable has the value here that it has there; one is ignored, and that is said."""
    settings, warnings = load(environ({}))
    [warning] = warnings
    assert warning.startswith(USUAL)
    shown = show(settings)
    ours = {name: value for name, value in DEPLOYED.items() if name not in IGNORED}
    assert ours == {name: shown[name] for name in ours}


def test_the_table_knows_which_settings_are_its() -> None:
    """The README's column says of each setting whether the Go service has it."""
    more = {name for changes in TAKEN.values() for name in changes}
    documented = {setting.name for setting in TABLE if setting.go} | IGNORED.keys()
    assert documented == DEPLOYED.keys() | more
    assert {"NATS_CREDS_FILE"} == ALIASES.keys()


@pytest.mark.parametrize("changes", TAKEN.values(), ids=TAKEN)
def test_what_may_be_set_besides_is_taken(changes: dict[str, str]) -> None:
    """With no warning but the usual one."""
    _, warnings = load(environ(changes))
    assert [True] == [warning.startswith(USUAL) for warning in warnings]


@pytest.mark.parametrize(("changes", "expected"), WARNED.values(), ids=WARNED)
def test_what_has_no_meaning_is_taken_with_a_warning(changes: dict[str, str], expected: str) -> None:
    """The line says what to do."""
    _, warnings = load(environ(changes))
    assert 1 == len([warning for warning in warnings if warning.startswith(expected)])


@pytest.mark.parametrize(("changes", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(changes: dict[str, str], expected: str) -> None:
    """In one line with the variable's name, and nothing else is found wrong."""
    with pytest.raises(ConfigError) as raised:
        load(environ(changes))
    assert [True] == [line.startswith(expected) for line in raised.value.lines]


def test_the_page_tells_of_every_variable() -> None:
    """Whatever is documented there, or is refused or warned of here, has a row in the page's tables."""
    rows = set(re.findall(r"^\| `([A-Z0-9_]+)`", PAGE, re.MULTILINE))
    cases = [changes for changes, _ in (*WARNED.values(), *REFUSED.values())] + list(TAKEN.values())
    known = {setting.name for setting in TABLE} | IGNORED.keys() | ALIASES.keys()
    assert rows == (DEPLOYED.keys() | {name for changes in cases for name in changes}) & known
