"""The two Valkey servers, through django-redis.

`cache_valkey()`: timelines, graph sets and other copies. May vanish at any moment without loss:
whoever reads it answers from SQL when it is down (`ValkeyUnavailable`).
`state_valkey()`: sessions, recent writes, locks, the Celery broker. Kept on disk, never evicted.
"""

from __future__ import annotations

from typing import cast

import redis
from django_redis import get_redis_connection

# What a client raises when the server is away, too slow, or still loading its data.
ValkeyUnavailable = (redis.ConnectionError, redis.TimeoutError)


def cache_valkey() -> redis.Redis:
    """A client of the CACHE Valkey; bytes in, bytes out."""
    return cast("redis.Redis", get_redis_connection("cache"))


def state_valkey() -> redis.Redis:
    """A client of the STATE Valkey; bytes in, bytes out."""
    return cast("redis.Redis", get_redis_connection("default"))
