"""Tests of `tests.pages`: which blocks of commands a page has, and how they are marked."""

from tests.pages import Block, blocks


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
    assert [] == blocks("```yaml\na: 1\n```\n")


def test_the_end_to_end_tests_have_a_mark_of_their_own() -> None:
    """What needs a cluster is run by `make e2e`."""
    assert ["run: e2e"] == [block.run for block in blocks("<!-- run: e2e -->\n```bash\nkubectl version\n```\n")]
