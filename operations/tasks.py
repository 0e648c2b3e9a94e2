"""Celery tasks of Operations. A lost one does no harm: beat sends the next."""

from typing import Any

from celery import shared_task
from django.conf import settings

from comments import services as comment_services
from core.counters import settle_all
from operations import reconcile
from posts import services as post_services
from usergraph import services as graph_services


@shared_task(expires=settings.COUNTERS_SETTLE_SECONDS)
def settle_counters(**kwargs: Any) -> None:
    """Fold all pending changes into the counters of each database.

    One task for all, as each message costs more than folding does. A database that fails holds up
    no other: what was raised is raised at the end.
    """
    errors = []
    for services in (post_services, comment_services, graph_services):
        try:
            settle_all(services.settle_counters)
        except Exception as error:
            errors.append(error)
    if errors:
        raise ExceptionGroup("Not all counters are settled.", errors)


@shared_task(expires=60)
def reconcile_counters(**kwargs: Any) -> None:
    """Compare the counts that have changed lately with the rows, and repair the drift."""
    reconcile.reconcile_recent()
