"""Celery tasks of User Info. A lost one does no harm: beat sends the next."""

from typing import Any

from celery import shared_task

from users import services


@shared_task(expires=3600)
def free_former_usernames(**kwargs: Any) -> None:
    """Free the names that accounts gave up long enough ago."""
    services.free_former_usernames()
