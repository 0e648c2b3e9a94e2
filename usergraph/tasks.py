"""Celery tasks of User Graph. A lost one does no harm: beat sends the next."""

from typing import Any

from celery import shared_task
from django.conf import settings

from usergraph import mutes


@shared_task(expires=settings.MUTE_SWEEP_SECONDS)
def end_mutes(**kwargs: Any) -> None:
    """End the mutes whose time has come."""
    mutes.end_mutes()
