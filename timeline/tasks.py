"""Celery tasks of Timeline. Each may be lost: the beat sends the next."""

from typing import Any

from celery import shared_task
from django.conf import settings

from timeline import audit


@shared_task
def audit_timelines(**kwargs: Any) -> None:
    """Compare a few timelines with SQL, rebuild those that differ, and export the drift."""
    audit.audit_sample(count=settings.TIMELINE_AUDIT_SAMPLE)
