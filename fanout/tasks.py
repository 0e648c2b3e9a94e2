"""Celery tasks of Fan-out. Each may be lost: beat sends the next."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from fanout import services


@shared_task(expires=60)
def note_what_is_delivered(**kwargs: Any) -> None:
    """Tell Timeline up to which post everything has been delivered."""
    services.note_what_is_delivered()
