"""The context of a request: values that go along to the Celery tasks that it sends.

Each value is a context variable in CARRIED; it is None outside of requests and tasks. A middleware
sets it. Every Celery message carries the values that are set (`core.celery_signals`), the task sets
them again, and so do the tasks that this one sends. Every log line has them (`core.logs`).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextvars import ContextVar, Token

# By their names in the headers of messages and in log lines.
CARRIED: Mapping[str, ContextVar[str | None]] = {
    # 1 to 64 letters, digits, `.`, `_` and `-`.
    "request_id": ContextVar("request_id", default=None),
}
_request_id = CARRIED["request_id"]

Entered = list[tuple[ContextVar[str | None], Token[str | None]]]


def new_request_id() -> str:
    """A random id: 32 hexadecimal digits."""
    return uuid.uuid4().hex


def request_id() -> str | None:
    """The id of the current request, or of the request that sent the current task."""
    return _request_id.get()


def carried() -> dict[str, str]:
    """The values that are set now, by name."""
    return {name: value for name, var in CARRIED.items() if (value := var.get()) is not None}


def enter(values: Mapping[str, str]) -> Entered:
    """Set values that `carried` returned elsewhere, and unset all others; ignores unknown names.

    Give what this returns to `leave`, in the same thread.
    """
    return [(var, var.set(values.get(name))) for name, var in CARRIED.items()]


def leave(entered: Entered) -> None:
    """Set all values back to what they were before `enter`."""
    for var, token in entered:
        var.reset(token)
