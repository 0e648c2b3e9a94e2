"""The project as an app, for its commands and the migration that every database starts with."""

from django.apps import AppConfig
from django.conf import settings
from django.core.cache import close_caches
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries

# Makes this Celery app the one that `shared_task` belongs to, in whichever process.
from socialfeed.celery import app as celery_app

# Its signals: whoever sends or runs a task goes through them.
from socialfeed.common import connections, deadlines, messages

__all__ = ["SocialfeedConfig", "celery_app", "connections", "messages"]


class SocialfeedConfig(AppConfig):
    name = "socialfeed"

    def ready(self) -> None:
        # What Django does around each request, six databases and two caches at a time, and nothing
        # here needs: connections are looked at when it ends, and so need not be when it begins; of
        # what has been asked of them, nobody keeps a list; those to Valkey are never closed.
        request_started.disconnect(close_old_connections)
        request_started.disconnect(reset_queries)
        request_finished.disconnect(close_caches)
        if settings.DATABASE_DEADLINE_SECONDS is not None:
            deadlines.install(seconds=settings.DATABASE_DEADLINE_SECONDS)
