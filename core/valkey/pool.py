"""The pools of connections to a server. One of them is a circuit breaker."""

import os
import threading
import time
from typing import Any

import redis
from redis.sentinel import Sentinel, SentinelConnectionPool

from core.valkey.protocol import can_read_directly
from core.valkey.recorder import note_unrecorded


class Pool(redis.ConnectionPool):
    """redis-py's pool, which also keeps the connections of `exchange` apart, ready for the next.

    What redis-py does each time that a connection changes hands takes as long as a command
    (docs/performance.md).
    """

    _reads_directly = True  # until a connection of it cannot

    def reset(self) -> None:
        """Forget all connections. redis-py calls this at first, and in a process after its fork."""
        self._idle: list[Any] = []
        super().reset()

    def get_connection(self, *args: Any, **options: Any) -> Any:
        """A connection for redis-py's own methods."""
        note_unrecorded(self)
        return super().get_connection(*args, **options)

    def lend(self) -> Any | None:
        """An open connection, to be given to `take_back`; None: replies cannot be read directly.

        Raises `ValkeyUnavailable` when it cannot be opened.
        """
        if not self._reads_directly:
            return None
        if self.pid != os.getpid():
            return self._lend_new()  # the idle ones belong to the parent process
        try:
            connection = self._idle.pop()
        except IndexError:
            return self._lend_new()
        try:
            if _is_in_order(connection):
                return connection
            connection.disconnect()
            connection.connect()
        except BaseException:
            self.release(connection)
            raise
        return connection

    def _lend_new(self) -> Any | None:
        connection = super().get_connection()
        if can_read_directly(connection):
            return connection
        self._reads_directly = False
        self.release(connection)
        return None

    def take_back(self, connection: Any) -> None:
        """Let others have a connection; if it is closed, redis-py opens it again when needed."""
        if connection.is_connected:
            self._idle.append(connection)
        else:
            self.release(connection)

    def disconnect(self, inuse_connections: bool = True) -> None:
        """Close connections, also those that are ready for `lend`."""
        self._close_idle()
        super().disconnect(inuse_connections)

    def _close_idle(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.disconnect()
            self.release(connection)


class SentinelPool(Pool, SentinelConnectionPool):
    """A pool of connections to the primary that Sentinels name at the moment.

    When they name another, connections to the former one are closed, each when it is idle: it may
    be back as a replica, or not answer at all.
    """

    def __init__(self, service_name: str, sentinel_manager: Sentinel, **options: Any) -> None:
        super().__init__(service_name, _OneAtATime(sentinel_manager), **options)  # type: ignore[no-untyped-call]

    def take_back(self, connection: Any) -> None:
        """As `Pool.take_back`. When one breaks, the Sentinels are asked again for all."""
        if not connection.is_connected:
            self._close_idle()
        elif self.master_address != (connection.host, connection.port):
            connection.disconnect()
        super().take_back(connection)


class _OneAtATime:
    """Sentinels, asked by one thread at a time: redis-py moves the one that answers to the front of
    its list, and two threads that do so at once would lose another.
    """

    def __init__(self, sentinels: Sentinel) -> None:
        self._sentinels, self._lock = sentinels, threading.Lock()

    def discover_master(self, name: str) -> Any:
        with self._lock:
            return self._sentinels.discover_master(name)  # type: ignore[no-untyped-call]


class CircuitOpen(redis.ConnectionError):
    """The server was not asked, because it did not answer a moment ago, which has been logged."""


class BreakingPool(Pool):
    """A pool that opens its circuit for OPEN_SECONDS when its server does not answer.

    For CACHE in the Read API, which answers from SQL meanwhile. Not for processes that write: they
    must not skip a CACHE that other processes can reach again.
    """

    OPEN_SECONDS = 1.0
    down_since = -OPEN_SECONDS

    def lend(self) -> Any | None:
        """As `Pool.lend`. Raises `CircuitOpen`."""
        self._check()
        return super().lend()

    def get_connection(self, *args: Any, **options: Any) -> Any:
        """As `Pool.get_connection`. Raises `CircuitOpen`."""
        self._check()
        return super().get_connection(*args, **options)

    def release(self, connection: Any) -> None:
        """Take a connection back. It is closed only when its server did not answer."""
        if not connection.is_connected:
            self.down_since = time.monotonic()
        super().release(connection)

    def _close_idle(self) -> None:
        down_since = self.down_since
        super()._close_idle()
        self.down_since = down_since  # these were not closed by their server

    def _check(self) -> None:
        if time.monotonic() - self.down_since < self.OPEN_SECONDS:
            raise CircuitOpen("The circuit is open: the server did not answer a moment ago.")


def _is_in_order(connection: Any) -> bool:
    """Whether the server has not closed it, and no reply is left in it that nobody has read."""
    try:
        return not connection.can_read()
    except redis.ConnectionError:
        return False
