"""Receivers of Celery's signals: messages carry the context; workers and beat get logs, deadlines.

A message carries the context in which it is sent (`core.context`), so a task runs with the id of
the request that sent it. A message from beat has no id: its task gets a new one.
"""

from __future__ import annotations

from typing import Any

from celery import Task, signals
from django.conf import settings

from core import context
from core.logs import set_role
from core.sql import deadlines

# A header of messages. Its value is the dictionary that `context.carried` returns.
CONTEXT_HEADER = "socialfeed_context"


@signals.before_task_publish.connect
def carry_context(headers: dict[str, Any], **kwargs: Any) -> None:
    """Put the context into the headers of a message."""
    headers[CONTEXT_HEADER] = context.carried()


@signals.task_prerun.connect
def enter_context(task: Task[Any, Any], **kwargs: Any) -> None:
    """Set the context from the headers of the task's message."""
    sent = (task.request.headers or {}).get(CONTEXT_HEADER) or {}
    # Stored in the task's own request, because a task may run another one inside itself.
    entered = context.enter({"request_id": context.new_request_id()} | sent)
    task.request.entered = entered  # type: ignore[attr-defined]


@signals.task_postrun.connect
def leave_context(task: Task[Any, Any], **kwargs: Any) -> None:
    """Set the context back to what it was before the task."""
    context.leave(task.request.entered)  # type: ignore[attr-defined]


@signals.setup_logging.connect
def keep_logging(**kwargs: Any) -> None:
    """Do nothing. A receiver of this signal stops Celery from replacing Django's logging."""


@signals.celeryd_init.connect
def begin_worker(**kwargs: Any) -> None:
    """Set the role and the deadline of a worker."""
    set_role("worker")
    deadlines.install(seconds=settings.TASK_DEADLINE_SECONDS)


@signals.beat_init.connect
def begin_beat(**kwargs: Any) -> None:
    """Set the role and the deadline of beat."""
    set_role("beat")
    deadlines.install(seconds=settings.TASK_DEADLINE_SECONDS)
