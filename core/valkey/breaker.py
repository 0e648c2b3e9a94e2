"""A circuit breaker: a server that does not answer makes one caller a second wait, not all."""

from __future__ import annotations

import time
from typing import Any

import redis

from core.valkey.pool import Pool


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

    def _check(self) -> None:
        if time.monotonic() - self.down_since < self.OPEN_SECONDS:
            raise CircuitOpen("The circuit is open: the server did not answer a moment ago.")
