"""Celery tasks of Post Info. A lost one does no harm: beat sends the next."""

from typing import Any

from celery import shared_task

from posts import waiting

STEP = 100


@shared_task(expires=3600)
def remove_old_waiting_posts(**kwargs: Any) -> None:
    """Remove waiting posts after POST_WAITING_DAYS."""
    while waiting.remove_old_waiting_posts(limit=STEP):
        pass
