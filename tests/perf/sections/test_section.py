"""How a section stands on a page."""

from perf.sections.section import Plot, Section, render


def test_plots_stand_below_the_heading() -> None:
    """Each with words for who does not see it, in the folder that the page is given."""
    section = Section("Overload", [Plot("a", "what gets in", "<svg/>"), Plot("b", "b", "<svg/>")], ["text"])
    lines = ["### Overload", "", "![what gets in](images/a.svg)", "![b](images/b.svg)", "", "text"]
    assert lines == render(section, "images")
    assert ["a.svg", "b.svg"] == [plot.file for plot in section.plots]


def test_without_plots_there_is_no_gap() -> None:
    """One empty line below the heading."""
    assert ["### Soak", "", "text"] == render(Section("Soak", [], ["text"]), "images")
