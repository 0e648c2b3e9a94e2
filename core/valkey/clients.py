"""The clients of the two servers, which django-redis makes from settings.CACHES.

CACHE has timelines and other cache entries. It may lose everything at any moment: its callers
catch `ValkeyUnavailable` and answer from SQL. STATE has sessions, LSNs, locks and Celery's queues.
It keeps them on disk and never evicts them.
"""

from functools import cache
from typing import Any, cast

import redis
from django.core.signals import setting_changed
from django.dispatch import receiver
from django_redis import get_redis_connection

# A client raises one of these when the server is down, too slow, or still loading its data.
ValkeyUnavailable = (redis.ConnectionError, redis.TimeoutError)


def cache_valkey() -> redis.Redis:
    """The client of CACHE; it takes and returns bytes."""
    return _client("cache")


def state_valkey() -> redis.Redis:
    """The client of STATE; it takes and returns bytes."""
    return _client("default")


@cache
def _client(alias: str) -> redis.Redis:
    """One client for all threads: to look up that of a thread takes as long as a command."""
    return cast("redis.Redis", get_redis_connection(alias))


@receiver(setting_changed)
def _forget_clients(*, setting: str, **kwargs: Any) -> None:
    if setting == "CACHES":
        _client.cache_clear()
