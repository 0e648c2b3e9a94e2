"""Celery tasks of Media. A lost one does no harm: beat sends the next."""

from typing import Any

from celery import shared_task
from django.conf import settings

from media import services, uploads, usage

# Of one kind, in one run; the next run goes on.
STEPS_AT_ONCE = 20
STEP = 100


@shared_task(expires=settings.MEDIA_SWEEP_SECONDS)
def sweep_uploads(**kwargs: Any) -> None:
    """Remove uploads whose requests have died, and those that nobody has sent or used in time;
    forget what was used of quotas long ago.
    """
    for remove in (
        services.remove_dead_uploads,
        services.remove_unused_uploads,
        uploads.remove_abandoned_uploads,
        usage.forget_old_usage,
    ):
        for _ in range(STEPS_AT_ONCE):
            if remove(limit=STEP) < STEP:
                break
