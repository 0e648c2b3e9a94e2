"""What Celery's processes and messages have of ours: the context, the logs, the deadlines.

A message carries the context that it is sent in (`core.context`), so that a task works
under the id of the request that has woken it. What beat sends has none: the task gets a new one.
"""

from __future__ import annotations

from typing import Any

from celery import Task, signals
from django.conf import settings

from core import context
from core.logs import set_role
from core.sql import deadlines

# Of a message: a dictionary, as `context.carried` gives it.
CONTEXT_HEADER = "socialfeed_context"


@signals.before_task_publish.connect
def carry_context(headers: dict[str, Any], **kwargs: Any) -> None:
    headers[CONTEXT_HEADER] = context.carried()


@signals.task_prerun.connect
def enter_context(task: Task[Any, Any], **kwargs: Any) -> None:
    sent = (task.request.headers or {}).get(CONTEXT_HEADER) or {}
    # Kept on the task's own request, as one may run another in the midst of its work.
    entered = context.enter({"request_id": context.new_request_id()} | sent)
    task.request.entered = entered  # type: ignore[attr-defined]


@signals.task_postrun.connect
def leave_context(task: Task[Any, Any], **kwargs: Any) -> None:
    context.leave(task.request.entered)  # type: ignore[attr-defined]


@signals.setup_logging.connect
def leave_logging_alone(**kwargs: Any) -> None:
    """Django has set it up. That somebody listens keeps Celery from setting up its own."""


@signals.celeryd_init.connect
def begin_worker(**kwargs: Any) -> None:
    set_role("worker")
    deadlines.install(seconds=settings.TASK_DEADLINE_SECONDS)


@signals.beat_init.connect
def begin_beat(**kwargs: Any) -> None:
    set_role("beat")
    deadlines.install(seconds=settings.TASK_DEADLINE_SECONDS)
