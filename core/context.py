"""For whom a process is at work: what a request knows of itself, and takes along into Celery.

Each is a context variable in CARRIED, None outside requests and tasks. A middleware sets it. Every
Celery message that is sent meanwhile carries what is set (`core.messages`); the task
that it wakes has it set again, and so has whatever that task wakes. All of it is logged with each
line (`core.logs`). No store is involved.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextvars import ContextVar, Token

# By its name in a message's headers and in log lines.
CARRIED: Mapping[str, ContextVar[str | None]] = {
    # 1 to 64 letters, digits, `.`, `_` and `-`.
    "request_id": ContextVar("request_id", default=None),
}
_request_id = CARRIED["request_id"]

Entered = list[tuple[ContextVar[str | None], Token[str | None]]]


def new_request_id() -> str:
    return uuid.uuid4().hex


def request_id() -> str | None:
    """The id of the request that this work is done for."""
    return _request_id.get()


def carried() -> dict[str, str]:
    """What is set here, by name."""
    return {name: value for name, var in CARRIED.items() if (value := var.get()) is not None}


def enter(values: Mapping[str, str]) -> Entered:
    """Set what `carried` gave elsewhere, and nothing else; names that are not known are ignored.

    What this returns is for `leave`, in the same thread.
    """
    return [(var, var.set(values.get(name))) for name, var in CARRIED.items()]


def leave(entered: Entered) -> None:
    """Set all of it back to what it was."""
    for var, token in entered:
        var.reset(token)
