"""Celery tasks of Operations. A lost one does no harm: beat sends the next."""

from typing import Any

from celery import shared_task

from operations import reconcile


@shared_task(expires=60)
def reconcile_counters(**kwargs: Any) -> None:
    """Compare the counts that have changed lately with the rows, and repair the drift."""
    reconcile.reconcile_recent()
