"""Stores the LSNs of what Celery tasks write, so that everybody's reads see it soon."""

from __future__ import annotations

from typing import Any

from celery import Task

from core.sql import lsns
from core.sql.statements import noted_writes


class NotedTask(Task[Any, Any]):
    """The class of this project's tasks; see `socialfeed.celery`."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with noted_writes() as written:
            try:
                return super().__call__(*args, **kwargs)
            finally:  # a task that fails may have committed something before
                if written:
                    lsns.store_lsns(lsns.lsns_after_commit(written), user_id=None)
