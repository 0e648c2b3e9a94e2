"""The two Valkey servers, through django-redis.

Hot paths ask by `exchange`, which packs commands itself: redis-py does so much for each that it
takes four times as long, and longer than the server (docs/performance.md).

`cache_valkey()`: timelines, graph sets and other copies. May vanish at any moment without loss:
whoever reads it answers from SQL when it is down (`ValkeyUnavailable`).
`state_valkey()`: sessions, positions, locks, the Celery broker. Kept on disk, never evicted.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, cast

import redis
from django_redis import get_redis_connection
from redis.exceptions import ResponseError

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


Command = Sequence[bytes]  # its name, and its arguments


def exchange(
    client: redis.Redis, commands: Sequence[Command], *, raise_errors: bool = True
) -> list[Any]:
    """Send commands in one round trip; returns their replies, in order.

    Connections, time-outs and retries are redis-py's. What the server replies for an error is
    raised, the first of them, once all replies are here; or it is returned, if not `raise_errors`.
    """
    message = b"".join(map(_packed, commands))
    connection: Any = client.connection_pool.get_connection()
    try:
        replies: list[Any] = connection.retry.call_with_retry(
            lambda: _sent(connection, message, len(commands)),
            lambda error: connection.disconnect(),
        )
    finally:
        client.connection_pool.release(connection)
    if raise_errors:
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise reply
    return replies


def _packed(command: Command) -> bytes:
    """In the protocol's own form (RESP)."""
    parts = [b"$%d\r\n%b\r\n" % (len(part), part) for part in command]
    return b"*%d\r\n%b" % (len(parts), b"".join(parts))


def _sent(connection: Any, message: bytes, replies: int) -> list[Any]:
    connection.send_packed_command([message])
    found: list[Any] = []
    try:
        for _ in range(replies):
            try:
                found.append(connection.read_response())
            except ResponseError as error:  # the other replies are to be read all the same
                found.append(error)
    except BaseException:
        # Nobody else may find the replies that are still to come.
        connection.disconnect()
        raise
    return found


def by_slot(keys: Iterable[str]) -> list[list[bytes]]:
    """Keys, those of one hash tag together: a command may name no others on a cluster."""
    slots: defaultdict[str, list[bytes]] = defaultdict(list)
    for key in keys:
        # With what comes before the tag, which is the same for all keys of a kind.
        slots[key[: key.index("}")]].append(key.encode())
    return list(slots.values())


def values_of(client: redis.Redis, keys: Iterable[str]) -> dict[str, bytes | None]:
    """What is stored at each key; one round trip, and one MGET a hash tag."""
    slots = by_slot(keys)
    if not slots:
        return {}
    replies = exchange(client, [[b"MGET", *slot] for slot in slots])
    return {
        key.decode(): value
        for slot, values in zip(slots, replies, strict=True)
        for key, value in zip(slot, values, strict=True)
    }


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
