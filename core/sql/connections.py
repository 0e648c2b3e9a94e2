"""Connections to the databases, which a thread keeps from one request or task to the next.

After a request or a task, lost connections are closed. Others are checked before the next use.
"""

import threading
from typing import Any

from celery import Task, signals
from django.core.signals import request_finished
from django.db import close_old_connections, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver

from core.sql import deadlines

# The connections that this thread has opened, by alias.
_opened = threading.local()


@receiver(connection_created)
def _note_opened(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    # Not one beside a transaction (core.sql.transactions): its user closes it.
    if connections[connection.alias] is connection:
        vars(_opened)[connection.alias] = connection


def close_lost_connections(**kwargs: Any) -> None:
    """Close this thread's lost connections; `close_old_connections` looks at all six databases."""
    for connection in vars(_opened).values():
        connection.close_if_unusable_or_obsolete()


def close_lost_after_requests() -> None:
    """Call `close_lost_connections` after each request, instead of Django's own function.

    Only in processes that serve: Django's test client can turn off only Django's own function,
    which would close a test's connection inside its transaction.
    """
    request_finished.disconnect(close_old_connections)
    request_finished.connect(close_lost_connections)


@signals.task_prerun.connect
def check_before_task(task: Task[Any, Any], **kwargs: Any) -> None:
    """Close connections whose server does not answer as fast as it would take a new one."""
    if not task.request.is_eager:
        with deadlines.deadline(deadlines.SECONDS_TO_CONNECT):
            for connection in vars(_opened).values():
                connection.close_if_health_check_failed()


@signals.task_postrun.connect
def close_after_task(task: Task[Any, Any], **kwargs: Any) -> None:
    if not task.request.is_eager:
        close_lost_connections()
