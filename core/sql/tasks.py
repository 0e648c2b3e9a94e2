"""Around each Celery task: everybody's reads are to see soon what it has written."""

from __future__ import annotations

from typing import Any

from celery import Task

from core.sql import positions
from core.sql.statements import noted_writes


class NotedTask(Task[Any, Any]):
    """What the tasks of this project are made of; see `socialfeed.celery`."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with noted_writes() as written:
            try:
                return super().__call__(*args, **kwargs)
            finally:  # one that fails may have committed something before
                if written:
                    positions.keep(positions.after_commit(written), user_id=None)
