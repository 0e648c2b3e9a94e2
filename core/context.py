"""The id of the current request, which goes along to the Celery tasks that it sends.

A middleware sets it. Every Celery message carries it (`core.celery_signals`), the task sets it
again, and so do the tasks that this one sends. Every log line has it (`core.logs`).
"""

import uuid
from contextvars import ContextVar

# 1 to 64 letters, digits, `.`, `_` and `-`; None outside of requests and tasks.
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def new_request_id() -> str:
    """A random id: 32 hexadecimal digits."""
    return uuid.uuid4().hex
