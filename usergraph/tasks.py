"""Celery tasks of User Graph. Each may be lost: beat sends the next."""

from typing import Any

from celery import shared_task
from django.conf import settings

from core.counters import settle_all
from usergraph import services


@shared_task(expires=settings.COUNTERS_SETTLE_SECONDS)
def settle_counters(**kwargs: Any) -> None:
    """Fold all pending changes into the counters of followers and of followed accounts."""
    settle_all(services.settle_counters)
