"""ServiceAccounts from files: what a look sees, what changes it, and what stays when a file breaks."""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from callout.manifests.folder import MAX_FILE_SIZE, MAX_FILES, MAX_NAMED, WHAT_TO_GIVE, Folder, FolderState, read_folder
from callout.manifests.manifest import derive_uid
from callout.serviceaccounts import ServiceAccount

PREFIX = "nats.io/"
BROKEN = "a: b: c"
EXAMPLES = Path(__file__).parents[3] / "k8s" / "examples" / "serviceaccounts"


def describe(*names: str) -> str:
    """A manifest of ServiceAccounts in namespace `shop`."""
    return yaml.safe_dump_all(
        [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": n, "namespace": "shop"}} for n in names]
    )


def write(path: Path, text: str | bytes) -> None:
    """Put a file in place as careful editors do, in one step, so that it is another file."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(text if isinstance(text, bytes) else text.encode())
    draft.rename(path)


def names(found: FolderState | Iterable[ServiceAccount] | None) -> list[str]:
    """The names of what was found."""
    assert found is not None
    return [one.name for one in (found.service_accounts if isinstance(found, FolderState) else found)]


def test_a_folder_is_read_file_by_file(tmp_path: Path) -> None:
    """Files ending in .yaml and .yml are read in the order of their names; hidden, other and deeper ones are not."""
    write(tmp_path / "b.yaml", describe("b1", "b2"))
    write(tmp_path / "a.yml", describe("a"))
    for other in ("c.json", ".d.yaml", "README"):
        write(tmp_path / other, describe("x"))
    (tmp_path / "deeper").mkdir()
    write(tmp_path / "deeper" / "e.yaml", describe("x"))
    service_accounts, problems = read_folder(tmp_path, PREFIX)
    assert (names(service_accounts), problems) == (["a", "b1", "b2"], [])
    assert service_accounts[0] == ServiceAccount("shop", "a", derive_uid("shop", "a"), {})


def test_the_path_may_be_a_file(tmp_path: Path) -> None:
    """A single file is read whatever its name."""
    write(tmp_path / "accounts.txt", describe("a"))
    assert names(Folder(tmp_path / "accounts.txt", PREFIX).poll()) == ["a"]


def test_one_namespace_may_be_asked_for(tmp_path: Path) -> None:
    """The others are passed over, in what can be read and in what still counts of a file that broke."""
    write(tmp_path / "a.yaml", describe("mine") + "---\n" + describe("other").replace("shop", "billing"))
    shop, nowhere = Folder(tmp_path, PREFIX, "shop"), Folder(tmp_path, PREFIX, "shops")
    assert (["mine"], []) == (names(shop.poll()), names(nowhere.poll()))
    assert ["other"] == names(read_folder(tmp_path, PREFIX, "billing")[0])
    write(tmp_path / "a.yaml", BROKEN)
    state = shop.poll()
    assert ["mine"] == names(state)
    assert state is not None
    assert "billing" not in "".join(state.problems)


def test_a_look_without_a_change_says_nothing(tmp_path: Path) -> None:
    """The first look returns the picture, also of an empty folder; the next returns None until something changes."""
    folder = Folder(tmp_path, PREFIX)
    assert folder.poll() == FolderState((), ())
    assert folder.poll() is None
    write(tmp_path / "a.yaml", describe("a"))
    assert names(folder.poll()) == ["a"]
    assert folder.poll() is None


def test_changes_of_files_are_seen(tmp_path: Path) -> None:
    """An edit, a new file and a removed file change the picture."""
    folder = Folder(tmp_path, PREFIX)
    write(tmp_path / "a.yaml", describe("a"))
    write(tmp_path / "b.yaml", describe("b"))
    assert names(folder.poll()) == ["a", "b"]
    write(tmp_path / "a.yaml", describe("a2"))
    assert names(folder.poll()) == ["a2", "b"]
    (tmp_path / "a.yaml").unlink()
    assert names(folder.poll()) == ["b"]


def test_a_swapped_configmap_is_seen(tmp_path: Path) -> None:
    """The kubelet writes a new folder and swaps the link `..data` to it; the files' own links stay as they are."""
    for version in ("1", "2"):
        (tmp_path / f"..{version}").mkdir()
        (tmp_path / f"..{version}" / "a.yaml").write_text(describe(f"a{version}"))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    folder = Folder(tmp_path, PREFIX)
    assert names(folder.poll()) == ["a1"]
    (tmp_path / "..data_tmp").symlink_to("..2")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    assert names(folder.poll()) == ["a2"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "a.yaml: is empty; to mean nothing, remove it or leave a comment in it"),
        (b"\xff", "a.yaml: is no UTF-8 text"),
        (BROKEN, "a.yaml: document 1 (line 1): broken YAML in line 1: mapping values are not allowed in this context"),
        (b" " * (MAX_FILE_SIZE + 1), f"a.yaml: cannot be read: larger than {MAX_FILE_SIZE} bytes"),
    ],
)
def test_a_file_that_breaks_keeps_its_last_good_content(tmp_path: Path, content: str | bytes, problem: str) -> None:
    """What it held before still counts until it can be read again; that is said, once for each change."""
    folder = Folder(tmp_path, PREFIX)
    write(tmp_path / "a.yaml", describe("a1", "a2"))
    write(tmp_path / "b.yaml", describe("b"))
    folder.poll()
    write(tmp_path / "a.yaml", content)
    state = folder.poll()
    assert names(state) == ["a1", "a2", "b"]
    assert state is not None
    assert list(state.problems) == [
        problem,
        "a.yaml: ServiceAccounts of its earlier content that still count: shop/a1, shop/a2",
    ]
    assert folder.poll() is None
    write(tmp_path / "a.yaml", content + content)  # type: ignore[operator]
    assert names(folder.poll()) == ["a1", "a2", "b"]
    write(tmp_path / "a.yaml", "# nothing any more")
    state = folder.poll()
    assert state is not None
    assert (names(state), state.problems) == (["b"], ())


def test_of_many_that_still_count_the_first_are_named(tmp_path: Path) -> None:
    """A line of the log has room for a few; the others are counted."""
    folder = Folder(tmp_path, PREFIX)
    write(tmp_path / "a.yaml", describe(*(f"a{number}" for number in range(MAX_NAMED + 2))))
    folder.poll()
    write(tmp_path / "a.yaml", BROKEN)
    state = folder.poll()
    assert state is not None
    named = ", ".join(f"shop/a{number}" for number in range(MAX_NAMED))
    assert state.problems[-1].endswith(f"that still count: {named}, and 2 more")


def test_what_can_be_read_of_a_broken_file_counts(tmp_path: Path) -> None:
    """Next to a broken document the others are taken as they are now; only what is not seen now stays as it was."""
    folder = Folder(tmp_path, PREFIX)
    write(tmp_path / "a.yaml", f"{BROKEN}\n---\n{describe('a', 'b')}")
    assert names(folder.poll()) == ["a", "b"]
    write(tmp_path / "a.yaml", f"{describe('c', 'b')}\n---\n{BROKEN}")
    assert names(folder.poll()) == ["c", "b", "a"]
    write(tmp_path / "a.yaml", describe("c"))
    assert names(folder.poll()) == ["c"]


def test_a_mistake_in_a_readable_document_keeps_nothing_else(tmp_path: Path) -> None:
    """A ServiceAccount removed from a file is gone, though another one in it has an impossible name."""
    folder = Folder(tmp_path, PREFIX)
    write(tmp_path / "a.yaml", describe("a", "Bad_Name", "b"))
    assert names(folder.poll()) == ["a", "b"]
    write(tmp_path / "a.yaml", describe("a", "Bad_Name"))
    assert names(folder.poll()) == ["a"]


def test_a_folder_that_is_gone_takes_nothing_with_it(tmp_path: Path) -> None:
    """A volume that is not there for a while changes nothing; an empty folder does."""
    path = tmp_path / "accounts"
    folder = Folder(path, PREFIX)
    missing = FolderState((), (f"{path}: no such file or directory; {WHAT_TO_GIVE}",), is_readable=False)
    assert missing == folder.poll()
    assert folder.poll() is None
    path.mkdir()
    write(path / "a.yaml", describe("a"))
    assert names(folder.poll()) == ["a"]
    path.rename(tmp_path / "elsewhere")
    state = folder.poll()
    assert state is not None
    assert (names(state), state.problems) == (["a"], missing.problems)
    path.mkdir()
    assert folder.poll() == FolderState((), ())


def test_of_two_of_the_same_name_the_first_counts(tmp_path: Path) -> None:
    """The second is named as a problem, with the file of the first."""
    write(tmp_path / "a.yaml", describe("x"))
    write(tmp_path / "b.yaml", describe("x", "y", "y"))
    state = Folder(tmp_path, PREFIX).poll()
    assert names(state) == ["x", "y"]
    assert state is not None
    assert list(state.problems) == [
        "b.yaml: ServiceAccount shop/x stands in a.yaml already",
        "b.yaml: ServiceAccount shop/y stands in b.yaml already",
    ]


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe, a folder, a link to itself and a link to nothing harm nothing."""
    os.mkfifo(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").mkdir()
    (tmp_path / "c.yaml").symlink_to("c.yaml")
    (tmp_path / "d.yaml").symlink_to("nowhere")
    write(tmp_path / "e.yaml", describe("e"))
    state = Folder(tmp_path, PREFIX).poll()
    assert names(state) == ["e"]
    assert state is not None
    assert [problem.split(":")[0] for problem in state.problems] == ["a.yaml", "b.yaml", "c.yaml"]


def test_a_limited_number_of_files_is_read(tmp_path: Path) -> None:
    """Of too many files the first are read, and it is said that there are more."""
    for number in range(MAX_FILES + 1):
        write(tmp_path / f"{number:04}.yaml", "# nothing" if number else describe("a"))
    state = Folder(tmp_path, PREFIX).poll()
    assert names(state) == ["a"]
    assert state is not None
    assert list(state.problems) == [f"{tmp_path}: only the first {MAX_FILES} files are read"]


def test_any_name_of_a_file_can_be_reported(tmp_path: Path) -> None:
    """A file's name that is no UTF-8 ends in a line that can be encoded."""
    path = os.fsencode(tmp_path) + b"/\xff\n.yaml"
    Path(os.fsdecode(path)).write_text(BROKEN)
    (problem,) = read_folder(tmp_path, PREFIX)[1]
    assert problem.startswith("\\udcff\\n.yaml: document 1")


def test_the_examples_are_without_a_mistake() -> None:
    """The demo's files are read without a complaint."""
    service_accounts, problems = read_folder(EXAMPLES, PREFIX)
    assert problems == []
    assert [f"{one.namespace}/{one.name}" for one in service_accounts] == [
        "billing/invoicer",
        "billing/legacy-import",
        "orders/checkout",
        "orders/audit.reader",
        "warehouse/default",
        "warehouse/stock-keeper",
    ]
