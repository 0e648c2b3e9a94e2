"""Celery tasks of Commenting. Each may be lost: the beat sends the next."""

from typing import Any

from celery import shared_task
from django.conf import settings

from comments import services
from core.counters import settle_all


@shared_task(expires=settings.COUNTERS_SETTLE_SECONDS)
def settle_counters(**kwargs: Any) -> None:
    """Fold all pending changes into the counters of comments and of their likes."""
    settle_all(services.settle_counters)
