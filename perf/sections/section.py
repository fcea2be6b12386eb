"""What a script's section of the report is made of, and how it stands in Markdown. Pure."""

import msgspec


class Plot(msgspec.Struct, frozen=True):
    """A plot: the name of its file without the ending, what it shows in words, and the plot itself as SVG."""

    name: str
    about: str
    svg: str

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name}.svg"


class Section(msgspec.Struct, frozen=True):
    """A section: its heading, the plots below it, and the lines below those."""

    heading: str
    plots: list[Plot]
    lines: list[str]


def render(section: Section, images: str) -> list[str]:
    """Return the lines of a section; `images` is the folder that its plots are in, as the page says it."""
    plots = [f"![{plot.about}]({images}/{plot.file})" for plot in section.plots]
    return [f"### {section.heading}", "", *plots, *([""] if plots else []), *section.lines]
