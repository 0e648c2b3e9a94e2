"""Shared by the commands: argument types, progress bars, errors with advice, and results.

With `--json` a command prints its result as one JSON document, and nothing else, to stdout. Ids are
strings there; a person is `{"id": ..., "username": ...}`.
"""

from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager
from typing import Any, TypeVar

import orjson
from django.core.management.base import CommandError, OutputWrapper
from django.db import InterfaceError, OperationalError
from tqdm import tqdm

from core.http.problems import Problem
from core.valkey import ValkeyUnavailable

INTERRUPTED = 130  # the exit code of a program that Ctrl-C ended
SECONDS_BEFORE_PROGRESS = 1.0
MOST = 10**9  # the greatest number that an argument may be

Batch = TypeVar("Batch", bound=Sized)


def at_least(
    minimum: float, kind: type[int] | type[float] = int, *, most: float = MOST
) -> Callable[[str], float]:
    """A type for argparse: a number from `minimum` to `most`."""

    def number(text: str) -> float:
        value = kind(text)
        if not minimum <= value <= most:
            raise ArgumentTypeError(f"must be {minimum} to {most}, not {text}")
        return value

    number.__name__ = "number"  # argparse uses this name in its error message
    return number


def username(text: str) -> str:
    """A type for argparse: a username, with or without `@`, in any case."""
    return text.removeprefix("@").lower()


@contextmanager
def errors_with_advice() -> Iterator[None]:
    """Turn problems, a store that is down and Ctrl-C into CommandErrors that say what to do."""
    try:
        yield
    except Problem as error:
        raise CommandError(error.detail) from error
    except ValkeyUnavailable as error:
        raise CommandError(
            f"CACHE, the Valkey of timelines and records, does not answer: {error} Nothing is "
            "lost: reads come from SQL meanwhile. Start it, or correct CACHE_URL, and run this "
            "again."
        ) from error
    except (OperationalError, InterfaceError) as error:
        # With a code, it is the answer of a server: a lock or a statement took too long, its disk
        # is full.
        if getattr(error.__cause__, "pgcode", None):
            raise
        raise CommandError(
            f"A database does not answer: {str(error).strip()} Start it, or correct its "
            "*_DATABASE_URL, and run this again."
        ) from error
    except KeyboardInterrupt as error:
        raise CommandError(
            "Interrupted. The lines above say what was done; run this again for the rest.",
            returncode=INTERRUPTED,
        ) from error


def with_progress(
    batches: Iterable[Batch], *, unit: str, total: int | None = None
) -> Iterator[Batch]:
    """The same batches, with a progress bar on a terminal's stderr if they take long."""
    with tqdm(
        total=total, unit=f" {unit}", leave=False, delay=SECONDS_BEFORE_PROGRESS, disable=None
    ) as bar:
        for batch in batches:
            yield batch
            bar.update(len(batch))


def write_line(stdout: OutputWrapper, line: str) -> None:
    """Write a line, and leave a progress bar on the same terminal intact."""
    with tqdm.external_write_mode():
        stdout.write(line)


def write_json(stdout: OutputWrapper, document: Mapping[str, Any]) -> None:
    """Write the result of a command; datetimes as RFC 3339, UTC."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z
    write_line(stdout, orjson.dumps(document, option=options).decode())


@contextmanager
def summed_up(
    stdout: OutputWrapper,
    *,
    text: Callable[[], str],
    document: Callable[[], Mapping[str, Any]] | None,
) -> Iterator[None]:
    """At the end, also after an error or Ctrl-C, write what was done: the document, or else text.

    The document gets a member `complete`: false if something has stopped the command.
    """
    is_complete = False
    try:
        yield
        is_complete = True
    finally:
        if document is None:
            write_line(stdout, text())
        else:
            write_json(stdout, {**document(), "complete": is_complete})
