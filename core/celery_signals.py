"""Receivers of Celery's signals: request ids (`core.context`), and workers' logs and deadlines."""

from typing import Any

from celery import Task, signals
from django.conf import settings

from core import context
from core.logs import set_role
from core.sql import deadlines

# A header of messages. Its value: `{"request_id": id}`, or `{}` outside of requests and tasks.
CONTEXT_HEADER = "socialfeed_context"


@signals.before_task_publish.connect
def carry_context(headers: dict[str, Any], **kwargs: Any) -> None:
    """Put the current id into the headers of a message."""
    request_id = context.request_id.get()
    headers[CONTEXT_HEADER] = {} if request_id is None else {"request_id": request_id}


@signals.task_prerun.connect
def enter_context(task: Task[Any, Any], **kwargs: Any) -> None:
    """Set the id from the headers of the task's message; a new one if there is none (beat's)."""
    sent = (task.request.headers or {}).get(CONTEXT_HEADER) or {}
    # Stored in the task's own request, because a task may run another one inside itself.
    token = context.request_id.set(sent.get("request_id") or context.new_request_id())
    task.request.context_token = token  # type: ignore[attr-defined]


@signals.task_postrun.connect
def leave_context(task: Task[Any, Any], **kwargs: Any) -> None:
    """Set the id back to what it was before the task."""
    context.request_id.reset(task.request.context_token)  # type: ignore[attr-defined]


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
