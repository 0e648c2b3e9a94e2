"""Celery tasks for the tables of `core`."""

from typing import Any

from celery import shared_task

from core.http import idempotency_keys
from core.sql import PRIMARIES


@shared_task(expires=3600)
def prune_idempotency_keys(**kwargs: Any) -> None:
    """Delete all idempotency keys that have expired."""
    for database in PRIMARIES:
        while idempotency_keys.prune(database=database):
            pass
