"""The two Valkey servers, through django-redis.

`cache_valkey()`: timelines, graph sets and other copies. May vanish at any moment without loss:
whoever reads it answers from SQL when it is down (`ValkeyUnavailable`).
`state_valkey()`: sessions, positions, locks, the Celery broker. Kept on disk, never evicted.
"""

from __future__ import annotations

import time
from typing import Any, cast

import redis
from django_redis import get_redis_connection

# What a client raises when the server is away, too slow, or still loading its data.
ValkeyUnavailable = (redis.ConnectionError, redis.TimeoutError)


class LeftAlone(redis.ConnectionError):
    """Nobody has asked the server: it did not answer a moment ago, which has been logged."""


def cache_valkey() -> redis.Redis:
    """A client of the CACHE Valkey; bytes in, bytes out."""
    return cast("redis.Redis", get_redis_connection("cache"))


def state_valkey() -> redis.Redis:
    """A client of the STATE Valkey; bytes in, bytes out."""
    return cast("redis.Redis", get_redis_connection("default"))


class BreakingPool(redis.ConnectionPool):
    """Connections to a server that, once it does not answer, is left alone for LEFT_ALONE_SECONDS.

    For the Read API's CACHE, which answers from SQL meanwhile: of all its requests only one a
    second waits for a server that is frozen. Not for who writes: CACHE may be back for others.
    """

    LEFT_ALONE_SECONDS = 1.0
    left_at = -LEFT_ALONE_SECONDS

    def get_connection(self, *args: Any, **options: Any) -> Any:
        if time.monotonic() - self.left_at < self.LEFT_ALONE_SECONDS:
            raise LeftAlone("It did not answer a moment ago, and is left alone.")
        return super().get_connection(*args, **options)

    def release(self, connection: Any) -> None:
        # A connection is closed when its server does not answer, and only then.
        if not connection.is_connected:
            self.left_at = time.monotonic()
        super().release(connection)
