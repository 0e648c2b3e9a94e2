"""Connections to the databases, which a thread keeps from one request or task to the next.

One that was lost is closed at the end; what is kept is looked at before its next use.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from celery import Task, signals
from django.core.signals import request_finished
from django.db import close_old_connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver

from core.sql import deadlines

# Those that a thread has opened, by alias.
_of_thread = threading.local()


@receiver(connection_created)
def _note_opened(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    vars(_of_thread).setdefault("opened", {})[connection.alias] = connection


def _opened() -> Iterable[BaseDatabaseWrapper]:
    found: dict[str, BaseDatabaseWrapper] = vars(_of_thread).get("opened", {})
    return found.values()


def close_lost_connections(**kwargs: Any) -> None:
    """Django's `close_old_connections`, of those that this thread has opened at all: to find that
    out takes Django longer, of six databases, than what is done with them.
    """
    for connection in _opened():
        connection.close_if_unusable_or_obsolete()


def look_after_requests() -> None:
    """Do so after each request, instead of what Django does; in a process that serves.

    In no other: Django's test client knows how to keep only Django's own receiver from closing the
    connections of a test in the midst of its transaction.
    """
    request_finished.disconnect(close_old_connections)
    request_finished.connect(close_lost_connections)


@signals.task_prerun.connect
def look_before_task(task: Task[Any, Any], **kwargs: Any) -> None:
    """A server that is frozen holds up a task no longer than if it were connected to anew."""
    if not task.request.is_eager:
        with deadlines.deadline(deadlines.SECONDS_TO_CONNECT):
            for connection in _opened():
                connection.close_if_health_check_failed()


@signals.task_postrun.connect
def close_after_task(task: Task[Any, Any], **kwargs: Any) -> None:
    if not task.request.is_eager:
        close_lost_connections()
