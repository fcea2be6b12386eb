"""The ladder's section: all decisions in a table, those of one mode as bars of stages, xkey, and the libraries."""

from perf.sections.ladder import describe, find_bar
from tests.perf.sections.samples import LADDER, read_table

FIRST_SEEN, REMEMBERED = (row for row in LADDER["decisions"] if row["mode"] == "server")


def test_every_decision_has_a_row() -> None:
    """Named by algorithm, token and mode; the ratio has a digit more than its bound."""
    rows = read_table(describe(LADDER).lines, "decision, µs of CPU")
    assert ["RS256, first seen, server mode", "100", "80", "1.250"] == list(rows[0].values())
    assert len(LADDER["decisions"]) == len(rows)


def test_what_xkey_costs_is_told() -> None:
    """Of both ends, and together."""
    assert "With an xkey a decision takes 1.75 µs more: 1.25 to open the request, and 0.5 to seal the answer." in (
        describe(LADDER).lines
    )


def test_every_library_that_was_compared_has_a_row() -> None:
    """By operation; the one that a worker uses is marked."""
    rows = read_table(describe(LADDER).lines, "operation")
    assert [
        {"operation": "Ed25519 sign", "library": "PyNaCl", "µs of CPU": "20", "used": "yes"},
        {"operation": "Ed25519 sign", "library": "cryptography", "µs of CPU": "30", "used": "no"},
    ] == rows


def test_a_bar_comes_to_the_whole() -> None:
    """What the stages do not explain is a part of its own."""
    for decision in (FIRST_SEEN, REMEMBERED):
        assert decision["whole"] == sum(find_bar(decision, LADDER["stages"]).values())


def test_stages_that_cost_more_than_the_whole_leave_nothing() -> None:
    """They are timed by themselves: no part is less than nothing."""
    assert 0 == find_bar({**FIRST_SEEN, "whole": 1.0}, LADDER["stages"])["what joins them"]


def test_a_remembered_token_is_recalled_instead() -> None:
    """It is neither taken apart nor verified."""
    first, again = (set(find_bar(decision, LADDER["stages"])) for decision in (FIRST_SEEN, REMEMBERED))
    assert {"take the token apart", "verify the token's signature"} == first - again
    assert {"recall a remembered token"} == again - first


def test_one_mode_is_drawn() -> None:
    """The stages are those of server mode."""
    (plot,) = describe(LADDER).plots
    assert ("stages", 2) == (plot.name, plot.svg.count("what joins them: "))
