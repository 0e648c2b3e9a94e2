"""Celery tasks of User Info. A lost one does no harm: beat sends the next."""

from typing import Any

from celery import shared_task
from django.conf import settings

from users import search, services


@shared_task(expires=3600)
def free_former_usernames(**kwargs: Any) -> None:
    """Free the names that accounts gave up long enough ago."""
    services.free_former_usernames()


@shared_task(expires=settings.SEARCH_INDEX_SECONDS)
def index_stale_names(**kwargs: Any) -> None:
    """Let the search find whose names were written without it, such as by an older release."""
    search.index_stale_names(batches=5)  # some seconds: a worker has more to do
