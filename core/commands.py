"""Shared by the commands: exit codes, and types of arguments."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable

INTERRUPTED = 130  # the exit code of a program that Ctrl-C ended
SECONDS_BEFORE_PROGRESS = 1.0
MOST = 10**9  # the greatest number that an argument may be


def at_least(
    minimum: int, kind: type[int] | type[float] = int, *, most: int = MOST
) -> Callable[[str], float]:
    """A type for argparse: a number from `minimum` to `most`."""

    def number(text: str) -> float:
        value = kind(text)
        if not minimum <= value <= most:
            raise ArgumentTypeError(f"must be {minimum} to {most}, not {text}")
        return value

    number.__name__ = "number"  # argparse uses this name in its error message
    return number
