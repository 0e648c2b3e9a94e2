"""The clients of the two servers, which django-redis makes from settings.CACHES.

CACHE has timelines and other cache entries. It may lose everything at any moment: its callers
catch `ValkeyUnavailable` and answer from SQL. STATE has sessions, LSNs, locks and Celery's queues.
It keeps them on disk and never evicts them.

There is one client of each for all threads: to look up that of a thread takes as long as a command.
"""

import threading
from functools import cache
from typing import Any, cast

import redis
from django.core.signals import setting_changed
from django.dispatch import receiver
from django_redis import get_redis_connection
from redis.exceptions import ClusterDownError, RedisClusterException

from core.valkey.cluster import Cluster
from core.valkey.recorder import note_unavailable, record_client

# A client raises one of these when the server is down, too slow, or still loading its data; that of
# a cluster also when no server has the slot.
ValkeyUnavailable = (
    *(redis.ConnectionError, redis.TimeoutError),
    *(RedisClusterException, ClusterDownError),
)


_making = threading.Lock()


@cache
def cache_valkey() -> redis.Redis | Cluster:
    """The client of CACHE; it takes and returns bytes.

    Raises `ValkeyUnavailable` if CACHE is a cluster none of whose servers has ever answered.
    """
    with _making:
        return _only_cache_client()


@cache
def _only_cache_client() -> redis.Redis | Cluster:
    """The same, for one thread at a time: of two clients, recordings would know only one."""
    try:
        client = cast("redis.Redis | Cluster", get_redis_connection("cache"))
    except ValkeyUnavailable:
        note_unavailable()
        raise
    record_client(client)
    return client


@cache
def state_valkey() -> redis.Redis:
    """The client of STATE; it takes and returns bytes."""
    return cast("redis.Redis", get_redis_connection("default"))


@receiver(setting_changed)
def _forget_clients(*, setting: str, **kwargs: Any) -> None:
    if setting == "CACHES":
        cache_valkey.cache_clear()
        _only_cache_client.cache_clear()
        state_valkey.cache_clear()
