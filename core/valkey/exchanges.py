"""Exchanges: commands are sent, and their replies read, in one round trip.

Two ways give the same replies and raise the same errors. The direct way (`protocol.read_directly`)
is the usual one. redis-py's pipeline is used, and logged once, where the direct way does not work:
with another pool, another parser, or another release of redis-py. On a cluster, the commands go to
several servers at once (`cluster`).
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import redis
from redis.exceptions import ResponseError

from core.valkey.cluster import Cluster
from core.valkey.pipelines import by_pipeline
from core.valkey.pool import Pool
from core.valkey.protocol import Command, packed_in_pieces, read_directly, unpacked
from core.valkey.recorder import current_recording, only_read

Valkey = redis.Redis | Cluster


def exchange(
    client: Valkey,
    commands: Sequence[Command],
    *,
    raise_errors: bool = True,
    is_read: bool = False,
) -> list[Any]:
    """Send commands in one round trip; returns their replies, in order.

    Raises the first error reply (`ResponseError`) once all replies are here; if not `raise_errors`,
    error replies are returned among the others. Valkey down: raises `ValkeyUnavailable`. `is_read`
    says that these commands change no value, though their names do not say so.
    """
    if not commands:
        return []
    recording = current_recording(client)
    is_cluster = isinstance(client, Cluster)
    if is_cluster or recording is not None:
        is_read = is_read or only_read(commands)
    try:
        if isinstance(client, Cluster):
            replies = client.exchange(commands, is_read=is_read)
        else:
            sent = _directly(client, partial(packed_in_pieces, commands), len(commands))
            replies = by_pipeline(client.connection_pool, commands) if sent is None else sent
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


def exchange_packed(client: Valkey, message: bytes, count: int) -> list[Any]:
    """The same for `count` commands that are packed already, and change no value; returns error
    replies as well.
    """
    recording = current_recording(client)
    if recording is not None:
        recording.is_replayable = False
    if isinstance(client, Cluster):
        return client.exchange(unpacked(message), is_read=True)
    replies = _directly(client, lambda: [message], count)
    return by_pipeline(client.connection_pool, unpacked(message)) if replies is None else replies


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
