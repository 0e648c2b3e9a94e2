"""Removal in small steps, for rows that may be very many.

A step is a function that removes up to `limit` rows and says how many it has removed. It may be
done twice, and finds by itself what is left: so a removal that is interrupted is just begun again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from core.outbox.subscriptions import Step

Removed = tuple[str, int]  # the kind of the rows, and how many

# Rows that one step removes: some hundredths of a second.
STEP = 500
# Rows of which each is announced, or has objects in the store: up to a second.
SMALL_STEP = 100


def repeated(
    kind: str, remove: Callable[..., int], *, is_slow: bool = False, **arguments: Any
) -> Iterator[Removed]:
    """Call `remove(**arguments, limit=...)` until it removes nothing; yields after each call that
    did. `is_slow`: its limit is SMALL_STEP, not STEP.
    """
    while removed := remove(**arguments, limit=SMALL_STEP if is_slow else STEP):
        yield kind, removed


def as_steps(removals: Iterable[Removed]) -> Iterator[Step]:
    """The steps of a handler that removes. Its cursor only counts them, because the handler finds
    by itself where to go on.
    """
    for number, _ in enumerate(removals, start=1):
        yield Step(number)
