"""Celery tasks of Post Info. Each may be lost: the beat sends the next."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.conf import settings

from posts import services

SETTLE_LIMIT = 2000


@shared_task(expires=settings.COUNTERS_SETTLE_SECONDS)
def settle_counters(**kwargs: Any) -> None:
    """Bring the durable like counters up to date, until none is behind."""
    while services.settle_counters(limit=SETTLE_LIMIT) == SETTLE_LIMIT:
        pass
