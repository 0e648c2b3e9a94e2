"""Domain events: how an app tells the apps above it what has happened.

A listener runs at once, in the announcer's thread and database transaction: what it writes
commits or rolls back with the change it heard of, and what it raises fails that change. Work
that may wait belongs behind `transaction.on_commit`. Every event is listed in
docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Payload = TypeVar("Payload")


class Event(Generic[Payload]):
    """One kind of event; `Payload` is a frozen dataclass of ids and plain values."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Payload], None]] = []

    def listener(self, function: Callable[[Payload], None]) -> Callable[[Payload], None]:
        """Decorator: call `function` with the payload of every announcement."""
        self._listeners.append(function)
        return function

    def announce(self, payload: Payload) -> None:
        """Tell the listeners, in the order in which they subscribed."""
        for function in self._listeners:
            function(payload)
