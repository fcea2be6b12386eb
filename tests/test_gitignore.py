"""What the guides have their readers write into a checkout is never committed by accident: most of it is secret."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import Done, attempt
from tests.pages import PAGES, ROOT

_BLOCK = re.compile(r"^( *)```(?:bash|sh|shell|console)\n(?P<commands>.*?)^\1```", re.DOTALL | re.MULTILINE)
_WRITTEN = re.compile(
    r"(?:^|[\s)\"'])>>? ?(?P<redirected>[A-Za-z][\w./-]*)"
    r"|--(?:output|config)-file[ =](?P<option>[\w./-]+)"
    r"|\bnkey gen \w+ --output[ =](?P<key>[\w./-]+)"
    r"|(?<= )-(?:key)?out (?P<openssl>[\w./-]+)"
    r"|^ *(?:callout bootstrap|mkdir) (?P<folder>[A-Za-z][\w./-]*)"
    r"|^ *cd (?P<entered>[A-Za-z][\w./-]*)$",
    re.MULTILINE,
)
"""A redirection, an option that names a file to be written, and a folder; no variable, no device."""


def find_written(text: str) -> set[str]:
    """The files that a page's commands write, as paths from where they are run; a folder ends with a slash."""
    return {name for block in _BLOCK.finditer(text) for name in _find_written(block["commands"])}


def _find_written(commands: str) -> Iterator[str]:
    """What is written after a `cd` lies in that folder, until the end of the block."""
    place = ""
    for match in _WRITTEN.finditer(commands):
        kind, name = str(match.lastgroup), match[str(match.lastgroup)]
        if kind == "entered":
            place = f"{place}{name}/"
        else:
            yield f"{place}{name}/" if kind == "folder" else f"{place}{name}"


WRITTEN = sorted({name for page in PAGES for name in find_written(page.read_text())})


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with nothing but our rules, whatever somebody ignores besides."""
    (tmp_path / ".gitignore").write_bytes((ROOT / ".gitignore").read_bytes())
    run_git(tmp_path, "init", "--quiet")
    return tmp_path


def run_git(folder: Path, *words: str) -> Done:
    """Run git with no settings of anybody's."""
    nobodys = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "PATH": os.environ["PATH"]}
    return attempt(["git", "-C", str(folder), *words], env=nobodys)


def test_what_commands_write_is_found() -> None:
    """By every way in which the guides do it; what is a device, a descriptor or a format is no file."""
    page = """
```bash
(umask 077; kubectl create token a > token)
printf x >> other.conf
cat > callout.env <<END
subjects: [ "events.>" ]
END
nats auth nkey gen user --output nack.nk
nsc generate creds --output-file perf.creds && nsc generate config --config-file nats.conf
callout bootstrap nats-setup --xkey
callout bootstrap --help > /dev/null 2>&1; kubectl get pods --output json > "$FILE"
mkdir routes
cd routes
openssl req -x509 -keyout ca.key -out ca.crt
```
1. In a list:
   ```bash
   nats auth nkey gen account --output signing.key
   ```
`echo a > not-a-command`
"""
    written = {"token", "other.conf", "callout.env", "nack.nk", "perf.creds", "nats.conf", "nats-setup/", "signing.key"}
    assert written | {"routes/", "routes/ca.key", "routes/ca.crt"} == find_written(page)


def test_the_guides_write_what_is_secret() -> None:
    """Those that have to be among what is found, so that nothing is asked in vain."""
    secret = {
        "nats-routes/ca.key",
        "nats-setup/",
        "nats.conf",
        "offline.tar",
        "password",
        "perf.creds",
        "perf.login",
        "signing.key",
        "sys",
        "token",
        "tokens",
    }
    assert set() == secret - set(WRITTEN)


@pytest.mark.parametrize("name", WRITTEN)
def test_git_ignores_what_the_guides_write(name: str, checkout: Path) -> None:
    """In the project's folder, where they are followed."""
    done = run_git(checkout, "check-ignore", name)
    assert (0, f"{name}\n", "") == (done.returncode, done.stdout, done.stderr)


def test_git_ignores_what_the_example_for_node_fetches(checkout: Path) -> None:
    """Where `npm ci` puts it, as the guide has it."""
    done = run_git(checkout, "check-ignore", "k8s/examples/clients/node/node_modules/")
    assert (0, "") == (done.returncode, done.stderr)


def test_nothing_of_the_project_is_ignored(checkout: Path) -> None:
    """What stands in its folder, but for what a tool has made there."""
    names = [path.name for path in ROOT.iterdir() if path.is_file() and path.suffix in {".md", ".txt", ".toml"}]
    done = run_git(checkout, "check-ignore", *names, "Makefile", "Dockerfile", "k8s/examples/serviceaccounts/a.yaml")
    assert (1, "") == (done.returncode, done.stdout)
