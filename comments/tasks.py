"""Celery tasks of Commenting. Each may be lost: the beat sends the next."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.conf import settings

from comments import services

SETTLE_LIMIT = 2000


@shared_task(expires=settings.COUNTERS_SETTLE_SECONDS)
def settle_counters(**kwargs: Any) -> None:
    """Bring the durable counters of comments and of their likes up to date."""
    while services.settle_counters(limit=SETTLE_LIMIT) == SETTLE_LIMIT:
        pass
