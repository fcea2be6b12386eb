"""What cannot be measured, while the rest is measured all the same."""

from collections.abc import Iterator
from contextlib import contextmanager

from callout.errors import CommandError
from perf.commandline.command import Progress


class Failures:
    """The lines of what has failed so far, in order.

    Args:
        progress: is told at once what cannot be measured.
    """

    def __init__(self, progress: Progress) -> None:
        """Begin with none."""
        self.lines: list[str] = []
        self._progress = progress

    @contextmanager
    def going_on(self, name: str) -> Iterator[None]:
        """Keep the lines of what fails within, under a name for who listens, and go on behind it."""
        try:
            yield
        except CommandError as error:
            self._progress.say(f"{name} cannot be measured")
            self.lines += error.lines
