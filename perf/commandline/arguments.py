"""Arguments that are numbers within bounds, or lists with commas between: what `argparse` lacks for them.

What is wrong is one line that says what is right; `argparse` puts the argument's name before it. What is right stands
in the help as well (`HelpFormatter`), so that nobody has to be wrong first.
"""

import argparse
from collections.abc import Callable
from typing import TypeVar

import msgspec

T = TypeVar("T")


class Bounded(msgspec.Struct, frozen=True):
    """Reads a number within bounds."""

    lowest: float
    highest: float
    kind: Callable[[str], float] = int

    @property
    def bounds(self) -> str:
        """What is taken, as the help and an error say it."""
        return _say_bounds(self.lowest, self.highest)

    def __call__(self, text: str) -> float:
        """Read one.

        Raises:
            argparse.ArgumentTypeError: it is none, or beyond them.
        """
        try:
            value = self.kind(text)
        except ValueError:
            value = self.lowest - 1
        if not self.lowest <= value <= self.highest:
            wanted = "a whole number" if self.kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{wanted} {self.bounds} is wanted")
        return value


class BoundedList(msgspec.Struct, frozen=True):
    """Reads whole numbers from 1 to a bound, as `parse_numbers` does."""

    highest: int

    @property
    def bounds(self) -> str:
        """What is taken, as the help says it."""
        return f"each {_say_bounds(1, self.highest)}"

    def __call__(self, text: str) -> list[int]:
        """Read them.

        Raises:
            argparse.ArgumentTypeError: one is none, is there twice, or beyond it.
        """
        numbers = parse_numbers(text)
        if max(numbers) > self.highest:
            raise argparse.ArgumentTypeError(f"{self.highest} is the most of each")
        return numbers


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Shows the bounds of numbers behind what an argument is for, and leaves what stands around the arguments alone."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        about = super()._get_help_string(action)
        return f"{about}; {action.type.bounds}" if isinstance(action.type, Bounded | BoundedList) else about


def parse_numbers(text: str) -> list[int]:
    """Read whole numbers from 1 on, separated by commas, none of them twice.

    Raises:
        argparse.ArgumentTypeError: they are none.
    """
    return read_list(text, _read_number, "whole numbers from 1 on")


def numbers_to(highest: int) -> BoundedList:
    """Return what reads as `parse_numbers` does, within a bound."""
    return BoundedList(highest)


def read_list(text: str, read: Callable[[str], T], wanted: str) -> list[T]:
    """Read a list with commas between; each is read by `read`, which raises `ValueError` for what is none.

    Raises:
        argparse.ArgumentTypeError: one is none, or is there twice; `wanted` says what is right.
    """
    try:
        found = [read(word.strip()) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{wanted} are wanted, separated by commas") from None
    if len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"{wanted} are wanted, none of them twice")
    return found


def bounded(lowest: float, highest: float, kind: Callable[[str], float] = int) -> Bounded:
    """Return what reads a number within bounds."""
    return Bounded(lowest, highest, kind)


def _say_bounds(lowest: float, highest: float) -> str:
    return f"from {lowest:.15g} to {highest:.15g}"


def _read_number(word: str) -> int:
    number = int(word)
    if number < 1:
        raise ValueError
    return number
