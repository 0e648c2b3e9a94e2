"""Remove very many rows in small steps.

A step is a function that removes up to `limit` rows and returns how many. It finds by itself what
is left to remove, so it may run twice, and an interrupted removal simply starts again.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from core.outbox.subscriptions import Step

Removed = tuple[str, int]  # the kind of the rows, and how many

# Rows of a step: it takes some hundredths of a second.
STEP = 500
# The same if each row is announced or has objects in S3: it takes up to a second.
SMALL_STEP = 100


def repeated(
    kind: str, remove: Callable[..., int], *, is_slow: bool = False, **arguments: Any
) -> Iterator[Removed]:
    """Call `remove(**arguments, limit=...)` until it removes nothing; yields after each call.

    `is_slow`: the limit is SMALL_STEP, not STEP.
    """
    while removed := remove(**arguments, limit=SMALL_STEP if is_slow else STEP):
        yield kind, removed


# Walks on from an id; returns the last id that it has reached, None at the end.
Walk = Callable[[int], int | None]


def reached_ids(walk: Walk, *, after: int) -> Iterator[int]:
    """The ids that a walk reaches, one for each of its calls, up to its end."""
    while (reached := walk(after)) is not None:
        after = reached
        yield reached


def walked(first: Walk, second: Walk, *, cursor: int) -> Iterator[Step]:
    """Two walks as the steps of a handler, one after the other, from its saved cursor.

    All ids are positive. A cursor of the second walk is the negative of its id.
    """
    if cursor >= 0:
        for reached in reached_ids(first, after=cursor):
            yield Step(reached)
    for reached in reached_ids(second, after=max(0, -cursor)):
        yield Step(-reached)


def as_steps(removals: Iterable[Removed]) -> Iterator[Step]:
    """Turn removals into the steps of a handler. The cursor only counts: the handler ignores it."""
    for number, _ in enumerate(removals, start=1):
        yield Step(number)
