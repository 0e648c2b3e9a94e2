"""What the commands' arguments and outputs have in common."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable

INTERRUPTED = 130  # what a shell expects of a program that Ctrl-C ended
SECONDS_BEFORE_PROGRESS = 1.0
MOST = 10**9  # of anything that is counted here, seconds too


def at_least(
    minimum: int, kind: type[int] | type[float] = int, *, most: int = MOST
) -> Callable[[str], float]:
    """An argument's type: a number from `minimum` to `most`."""

    def number(text: str) -> float:
        value = kind(text)
        if not minimum <= value <= most:
            raise ArgumentTypeError(f"must be {minimum} to {most}, not {text}")
        return value

    number.__name__ = "number"  # what argparse calls it when `text` is none
    return number
