"""Celery tasks of Fan-out. A lost one does no harm: beat sends the next."""

from typing import Any

from celery import shared_task

from fanout import services


@shared_task(expires=60)
def note_what_is_delivered(**kwargs: Any) -> None:
    """Report to Timeline the post up to which everything has been delivered."""
    services.note_what_is_delivered()
