"""The ladder's section: all decisions in a table, and those of one mode as bars of stages."""

from perf.sections.ladder import describe, find_bar
from tests.perf.sections.samples import LADDER, read_table

FIRST_SEEN, REMEMBERED = (row for row in LADDER["decisions"] if row["mode"] == "server")


def test_every_decision_has_a_row() -> None:
    """Named by algorithm, token and mode."""
    rows = read_table(describe(LADDER).lines, "decision, µs of CPU")
    assert ["RS256, first seen, server mode", "100", "80", "1.25"] == list(rows[0].values())
    assert len(LADDER["decisions"]) == len(rows)


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
