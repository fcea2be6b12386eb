"""Tests of `tests.pages`: which blocks of commands a page has, and how they are marked."""

from tests.pages import Block, Box, blocks, boxes, yaml_blocks


def test_a_block_is_marked_on_the_line_before_it() -> None:
    """A mark further up belongs to no block."""
    page = "<!-- run -->\n```bash\na\n```\n\n<!-- run -->\n\n```bash\nb\n```\n"
    assert [Block(1, "a\n", "run", ""), Block(8, "b\n", "", "")] == blocks(page)


def test_what_is_not_run_says_so_visibly() -> None:
    """A comment in the page's source tells its reader nothing."""
    page = "Text.\n\n*Not run by the tests: it needs nsc.*\n\n```sh\na\n```\n<!-- not run: why -->\n```sh\nb\n```\n"
    seen = [(block.commands, block.needs, block.is_marked) for block in blocks(page)]
    assert [("a\n", "nsc", True), ("b\n", "", False)] == seen


def test_a_block_within_a_list_is_one_as_well() -> None:
    """With its mark, and without the indentation of the list."""
    page = "1. Do.\n\n   *Not run by the tests: it needs nsc.*\n\n   ```sh\n   a |\n     b\n   ```\n"
    page += "   ```sh\n   c\n   ```\n"
    assert [Block(3, "a |\n  b\n", "", "nsc"), Block(9, "c\n", "", "")] == blocks(page)


def test_blocks_of_other_languages_are_no_commands() -> None:
    """YAML is shown, not run."""
    page = "```yaml\na: 1\n```\n```bash\nb\n```\n* Within a list.\n\n  ```yaml\n  c:\n    d: 2\n  ```\n"
    assert ["b\n"] == [block.commands for block in blocks(page)]
    assert ["a: 1\n", "c:\n  d: 2\n"] == yaml_blocks(page)


def test_the_end_to_end_tests_have_a_mark_of_their_own() -> None:
    """What needs a cluster is run by `make e2e`."""
    assert ["run: e2e"] == [block.run for block in blocks("<!-- run: e2e -->\n```bash\nkubectl version\n```\n")]


def test_a_box_belongs_to_the_block_above_it() -> None:
    """Text that is not marked shows what somebody has to write, or nothing that is printed."""
    page = "```sh\na\n```\n\n<!-- run -->\n```sh\nb\n```\n\n<!-- shown -->\n```text\none\n  two\n```\n```text\nc\n```\n"
    assert [Box(5, ("one", "  two"))] == boxes(page)


def test_what_is_shown_and_not_printed_is_found() -> None:
    """Whole lines count, in their order; an ellipsis is anything or nothing, and no other character is a wildcard."""
    said = "before\n12:00 Published 5 bytes\nready.\n"
    assert [] == Box(1, ("… Published … bytes", "ready.…")).find_missing(said)
    assert ["Published 5 bytes"] == Box(1, ("Published 5 bytes",)).find_missing(said)
    assert ["before"] == Box(1, ("ready.", "before")).find_missing(said)
    assert ["read.."] == Box(1, ("read..",)).find_missing(said)
