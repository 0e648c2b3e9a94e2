"""What all apps share, as an app: for its tables, its tasks and its admin pages."""

from django.apps import AppConfig
from django.conf import settings
from django.core.cache import close_caches
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries

# Their signals: whoever sends or runs a task goes through them.
from core import messages
from core.sql import connections, deadlines

__all__ = ["CoreConfig", "connections", "messages"]


class CoreConfig(AppConfig):
    name = "core"

    def ready(self) -> None:
        # What Django does around each request, six databases and two caches at a time, and nothing
        # here needs: connections are looked at when it ends, and so need not be when it begins; of
        # what has been asked of them, nobody keeps a list; those to Valkey are never closed.
        request_started.disconnect(close_old_connections)
        request_started.disconnect(reset_queries)
        request_finished.disconnect(close_caches)
        if settings.DATABASE_DEADLINE_SECONDS is not None:
            deadlines.install(seconds=settings.DATABASE_DEADLINE_SECONDS)
