"""Celery tasks about what is in every database."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from core.http import idempotency
from core.sql import PRIMARIES


@shared_task(expires=3600)
def prune_idempotency_keys(**kwargs: Any) -> None:
    """Delete keys that have lived their time."""
    for database in PRIMARIES:
        while idempotency.prune(database=database):
            pass
