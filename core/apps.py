"""The Django app of `core`, for its tables, tasks, admin pages and signals."""

from django.apps import AppConfig
from django.conf import settings
from django.core.cache import close_caches
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries
from django.utils.module_loading import autodiscover_modules

# Imported for their receivers of signals, which every process needs.
from core import celery_signals
from core.release import code_hash
from core.sql import connections, deadlines

__all__ = ["CoreConfig", "celery_signals", "connections"]


class CoreConfig(AppConfig):
    name = "core"

    def ready(self) -> None:
        # They subscribe to events and signals, and add to apps below them, in every process.
        autodiscover_modules("handlers", "listeners")
        code_hash()  # of the code that this process has loaded, before a deploy replaces the files
        # Django does this around each request, for six databases and two caches. Nothing here needs
        # it: connections are checked after a request, so not before it; queries are not listed; and
        # connections to Valkey are never closed.
        request_started.disconnect(close_old_connections)
        request_started.disconnect(reset_queries)
        request_finished.disconnect(close_caches)
        if settings.DATABASE_DEADLINE_SECONDS is not None:
            deadlines.install(seconds=settings.DATABASE_DEADLINE_SECONDS)
