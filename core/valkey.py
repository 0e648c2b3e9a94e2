"""The two Valkey servers, through django-redis.

Hot paths ask by `exchange`, which packs commands and reads replies by hiredis alone: redis-py does
so much for each that it takes several times as long, and longer than the server
(docs/performance.md).

`cache_valkey()`: timelines, followers and other copies. May vanish at any moment without loss:
whoever reads it answers from SQL when it is down (`ValkeyUnavailable`).
`state_valkey()`: sessions, positions, locks, the Celery broker. Kept on disk, never evicted.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, cast

import redis
from django.core.signals import setting_changed
from django.dispatch import receiver
from django_redis import get_redis_connection
from hiredis import PushNotification, pack_command
from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.exceptions import ResponseError

# What a client raises when the server is away, too slow, or still loading its data.
ValkeyUnavailable = (redis.ConnectionError, redis.TimeoutError)


class LeftAlone(redis.ConnectionError):
    """Nobody has asked the server: it did not answer a moment ago, which has been logged."""


def cache_valkey() -> redis.Redis:
    """A client of the CACHE Valkey; bytes in, bytes out."""
    return _client("cache")


def state_valkey() -> redis.Redis:
    """A client of the STATE Valkey; bytes in, bytes out."""
    return _client("default")


@cache
def _client(alias: str) -> redis.Redis:
    """Of all threads: to find the one of a thread takes as long as a command."""
    return cast("redis.Redis", get_redis_connection(alias))


@receiver(setting_changed)
def _forget_clients(*, setting: str, **kwargs: Any) -> None:
    if setting == "CACHES":
        _client.cache_clear()


Command = Sequence[bytes | str | int]  # its name, and its arguments
_pack = cast("Callable[[tuple[Any, ...]], bytes]", pack_command)
# Bytes after which what is packed is sent.
_PIECE = 16 * 1024


def exchange(
    client: redis.Redis, commands: Sequence[Command], *, raise_errors: bool = True
) -> list[Any]:
    """Send commands in one round trip; returns their replies, in order.

    Connections, time-outs and retries are redis-py's. What the server replies for an error is
    raised, the first of them, once all replies are here; or it is returned, if not `raise_errors`.
    """
    replies = _exchange(client, partial(_pieces, commands), len(commands))
    if raise_errors:
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise reply
    return replies


def exchange_packed(client: redis.Redis, message: bytes, commands: int) -> list[Any]:
    """The same of commands that are packed already, so many of them; errors are returned."""
    return _exchange(client, lambda: [message], commands)


def _pieces(commands: Sequence[Command]) -> Iterator[bytes]:
    """Commands, packed as they are sent: the server is at work on the first of many meanwhile."""
    piece = bytearray()
    for command in commands:
        piece += _pack(tuple(command))
        if len(piece) >= _PIECE:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)


def _exchange(
    client: redis.Redis, message: Callable[[], Iterable[bytes]], commands: int
) -> list[Any]:
    pool = cast("Pool", client.connection_pool)
    connection = pool.lend()
    try:
        replies: list[Any] = connection.retry.call_with_retry(
            lambda: replies_to(connection, message(), commands),
            lambda error: connection.disconnect(),
        )
    finally:
        pool.take_back(connection)
    return replies


@dataclass
class Looks:
    """What has been asked of CACHE by `look`, and the replies to it."""

    commands: list[Command] = field(default_factory=list)
    replies: list[Any] = field(default_factory=list)


_looks: ContextVar[Looks | None] = ContextVar("looks", default=None)


@contextmanager
def noted_looks() -> Iterator[Looks]:
    """All that is looked up inside, as it comes."""
    looks = Looks()
    token = _looks.set(looks)
    try:
        yield looks
    finally:
        _looks.reset(token)


def look(client: redis.Redis, commands: Sequence[Command]) -> list[Any]:
    """`exchange`, of commands that change nothing of what they are about; for `noted_looks`."""
    replies = exchange(client, commands)
    if (looks := _looks.get()) is not None:
        looks.commands += commands
        looks.replies += replies
    return replies


def packed(commands: Iterable[Command]) -> bytes:
    """Commands in the protocol's own form (RESP)."""
    return b"".join([_pack(tuple(command)) for command in commands])


def replies_to(connection: Any, message: Iterable[bytes], replies: int) -> list[Any]:
    """Send packed commands, of which there are so many; their replies, errors too."""
    connection.send_packed_command(message)
    parser = connection._parser
    found = []
    try:
        # As the connection reads them, but without what it does for each besides.
        parsed = parser._reader.gets
        for _ in range(replies):
            while (reply := parsed()) is NOT_ENOUGH_DATA:
                parser.read_from_socket()
            if isinstance(reply, _NO_REPLIES):
                raise _away(reply)
            found.append(reply)
        return found
    except OSError as error:
        connection.disconnect()
        raise redis.ConnectionError("The connection broke.") from error
    except BaseException:
        # Nobody else may find the replies that are still to come.
        connection.disconnect()
        raise


# What a server says instead of a reply: that it is loading its data, say.
_NO_REPLIES = (redis.ConnectionError, PushNotification)


def _away(said: object) -> redis.ConnectionError:
    if isinstance(said, redis.ConnectionError):
        return said
    return redis.ConnectionError("The server says something that nobody has asked for.")


def by_slot(keys: Iterable[str]) -> list[list[str]]:
    """Keys, those of one hash tag together: a command may name no others on a cluster."""
    slots: defaultdict[str, list[str]] = defaultdict(list)
    for key in keys:
        # With what comes before the tag, which is the same for all keys of a kind.
        slots[key[: key.index("}")]].append(key)
    return list(slots.values())


def values_of(client: redis.Redis, keys: Iterable[str]) -> dict[str, bytes | None]:
    """What is stored at each key; one round trip, and one MGET a hash tag."""
    slots = by_slot(keys)
    if not slots:
        return {}
    replies = exchange(client, [[b"MGET", *slot] for slot in slots])
    return {
        key: value
        for slot, values in zip(slots, replies, strict=True)
        for key, value in zip(slot, values, strict=True)
    }


def _is_in_order(connection: Any) -> bool:
    """Neither closed by the server, nor with a reply that nobody has read."""
    try:
        return not connection.can_read()
    except redis.ConnectionError:
        return False


class Pool(redis.ConnectionPool):
    """Connections, of which some are kept for `exchange` once it has used them: what the library
    does each time that one changes hands takes as long as a command (docs/performance.md).
    """

    def reset(self) -> None:
        self._kept: list[Any] = []
        super().reset()

    def lend(self) -> Any:
        """A connection that works, as far as one can tell; to be taken back."""
        self._checkpid()  # after a fork there are none
        try:
            connection = self._kept.pop()
        except IndexError:
            return self.get_connection()
        try:
            if _is_in_order(connection):
                return connection
            connection.disconnect()
            connection.connect()
        except BaseException:
            self.release(connection)
            raise
        return connection

    def take_back(self, connection: Any) -> None:
        """It is there for others now."""
        if connection.is_connected:
            self._kept.append(connection)
        else:
            self.release(connection)


class BreakingPool(Pool):
    """Connections to a server that, once it does not answer, is left alone for LEFT_ALONE_SECONDS.

    For the Read API's CACHE, which answers from SQL meanwhile: of all its requests only one a
    second waits for a server that is frozen. Not for who writes: CACHE may be back for others.
    """

    LEFT_ALONE_SECONDS = 1.0
    left_at = -LEFT_ALONE_SECONDS

    def lend(self) -> Any:
        self._check()
        return super().lend()

    def get_connection(self, *args: Any, **options: Any) -> Any:
        self._check()
        return super().get_connection(*args, **options)

    def _check(self) -> None:
        if time.monotonic() - self.left_at < self.LEFT_ALONE_SECONDS:
            raise LeftAlone("It did not answer a moment ago, and is left alone.")

    def release(self, connection: Any) -> None:
        # A connection is closed when its server does not answer, and only then.
        if not connection.is_connected:
            self.left_at = time.monotonic()
        super().release(connection)
