"""Celery tasks of Post Info. Each may be lost: the beat sends the next."""

from typing import Any

from celery import shared_task
from django.conf import settings

from core.counters import settle_all
from posts import services


@shared_task(expires=settings.COUNTERS_SETTLE_SECONDS)
def settle_counters(**kwargs: Any) -> None:
    """Fold all pending changes into the counters of likes and of accounts' posts."""
    settle_all(services.settle_counters)
