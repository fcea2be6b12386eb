"""Arguments that are numbers within bounds, or lists with commas between: what `argparse` lacks for them.

What is wrong is one line that says what is right; `argparse` puts the argument's name before it.
"""

import argparse
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def parse_numbers(text: str) -> list[int]:
    """Read whole numbers from 1 on, separated by commas, none of them twice.

    Raises:
        argparse.ArgumentTypeError: they are none.
    """
    return read_list(text, _read_number, "whole numbers from 1 on")


def numbers_to(highest: int) -> Callable[[str], list[int]]:
    """Return what reads as `parse_numbers` does, within a bound."""

    def parse(text: str) -> list[int]:
        numbers = parse_numbers(text)
        if max(numbers) > highest:
            raise argparse.ArgumentTypeError(f"{highest} is the most of each")
        return numbers

    return parse


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


def bounded(lowest: float, highest: float, kind: Callable[[str], float] = int) -> Callable[[str], float]:
    """Return what reads a number within bounds."""

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = lowest - 1
        if not lowest <= value <= highest:
            wanted = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{wanted} from {lowest:.15g} to {highest:.15g} is wanted")
        return value

    return parse


def _read_number(word: str) -> int:
    number = int(word)
    if number < 1:
        raise ValueError
    return number
