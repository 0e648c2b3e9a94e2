"""Exchanges: commands are sent, and their replies read, in one round trip.

Two ways give the same replies and raise the same errors. The direct way (`protocol.read_directly`)
is the usual one. redis-py's pipeline is used, and logged once, where the direct way does not work:
with another pool, another parser, or another release of redis-py.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import Any

import redis
from redis.client import Pipeline
from redis.exceptions import DataError, ResponseError

from core.valkey.pool import Pool
from core.valkey.protocol import Command, packed_in_pieces, read_directly, unpacked
from core.valkey.recorder import current_recording, paused_recording

logger = logging.getLogger(__name__)


def exchange(
    client: redis.Redis,
    commands: Sequence[Command],
    *,
    raise_errors: bool = True,
    is_read: bool = False,
) -> list[Any]:
    """Send commands in one round trip; returns their replies, in order.

    Raises the first error reply (`ResponseError`) once all replies are here; if not `raise_errors`,
    error replies are returned among the others. Valkey down: raises `ValkeyUnavailable`. `is_read`
    tells `recorded_reads` that these commands only read, though their names do not say so.
    """
    if not commands:
        return []
    recording = current_recording(client.connection_pool)
    try:
        replies = _directly(client, partial(packed_in_pieces, commands), len(commands))
        if replies is None:
            replies = _by_pipeline(client, commands)
    except BaseException:
        if recording is not None:
            recording.is_replayable = False
        raise
    if recording is not None:
        recording.add(commands, replies, is_read=is_read)
    if raise_errors:
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise reply
    return replies


def exchange_packed(client: redis.Redis, message: bytes, count: int) -> list[Any]:
    """The same for `count` commands that are packed already; returns error replies as well."""
    recording = current_recording(client.connection_pool)
    if recording is not None:
        recording.is_replayable = False
    replies = _directly(client, lambda: [message], count)
    return _by_pipeline(client, unpacked(message)) if replies is None else replies


def _directly(
    client: redis.Redis, message: Callable[[], Iterable[bytes]], count: int
) -> list[Any] | None:
    """The replies to a message of `count` commands; None, and nothing is sent, if it cannot be."""
    pool = client.connection_pool
    if not isinstance(pool, Pool) or (connection := pool.lend()) is None:
        return None
    try:
        replies: list[Any] = connection.retry.call_with_retry(
            lambda: read_directly(connection, message(), count),
            lambda error: connection.disconnect(),
        )
    finally:
        pool.take_back(connection)
    return replies


def _by_pipeline(client: redis.Redis, commands: Sequence[Command]) -> list[Any]:
    """The replies by redis-py's pipeline, without its callbacks that convert them."""
    pool = client.connection_pool
    _log_pipeline(type(pool), pool.connection_class)
    pipeline = Pipeline(pool, {}, transaction=False, shard_hint=None)
    with pipeline, paused_recording():
        for command in commands:
            pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
        try:
            return pipeline.execute(raise_on_error=False)
        except DataError as error:
            raise TypeError(str(error)) from error


@cache
def _log_pipeline(pool: type, connection: type) -> None:
    """Log once that exchanges by these classes are slow."""
    logger.warning(
        "Replies cannot be read directly with %s and %s: exchanges use redis-py's pipeline, "
        "which takes twice the CPU",
        pool.__name__,
        connection.__name__,
    )
