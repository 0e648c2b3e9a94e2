"""How long a process waits for PostgreSQL, whatever has become of the server.

`statement_timeout` is the server's own: one that is frozen, or behind a network that swallows what
is sent, ends nothing. So an API process waits by itself, through the hook that psycopg2 has for it
(`set_wait_callback`). A connection whose server has not answered in time is closed, and its
statement fails as one does whose server is gone. It does not even wait so long once somebody else
has found that the server does not answer (`give_up_when`).
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg2
from psycopg2 import extensions

# A server that is there takes a connection within milliseconds.
SECONDS_TO_CONNECT = 2.0
# How often who waits asks whether there is a point in it.
SECONDS_BETWEEN_DOUBTS = 0.25

_limits = threading.local()
_doubts: list[Callable[[str, int], bool]] = []


class BudgetSpent(psycopg2.OperationalError):
    """A request has waited long enough, for whatever it was."""


def install(*, seconds: float) -> None:
    """From now on wait for so many seconds at most, in every thread of this process."""

    def wait(connection: extensions.connection) -> None:
        _wait(connection, seconds)

    extensions.set_wait_callback(wait)


def give_up_when(is_gone: Callable[[str, int], bool]) -> None:
    """Ask this of a host and a port, while waiting for the server there; not inside `deadline`."""
    _doubts.append(is_gone)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Inside, in this thread, wait for so many seconds at most; nothing unless installed."""
    before = getattr(_limits, "seconds", None)
    _limits.seconds = seconds
    try:
        yield
    finally:
        _limits.seconds = before


@contextmanager
def budget(seconds: float) -> Iterator[None]:
    """Inside, in this thread, wait for so many seconds in all; nothing unless installed."""
    _limits.budget_until = time.monotonic() + seconds
    try:
        yield
    finally:
        del _limits.budget_until


def _wait(connection: extensions.connection, seconds: float) -> None:
    own: float | None = getattr(_limits, "seconds", None)
    if connection.status == extensions.STATUS_SETUP:
        seconds = min(seconds, SECONDS_TO_CONNECT)
    now = time.monotonic()
    until = now + (seconds if own is None else own)
    budget_until: float = getattr(_limits, "budget_until", float("inf"))
    while (state := connection.poll()) != extensions.POLL_OK:
        wanted = select.POLLIN if state == extensions.POLL_READ else select.POLLOUT
        # Anew each time: while it connects, its socket may be another each time.
        poller = select.poll()
        poller.register(connection.fileno(), wanted)
        while not poller.poll(max(0.0, min(until - now, SECONDS_BETWEEN_DOUBTS)) * 1000):
            now = time.monotonic()
            if now >= budget_until:
                raise BudgetSpent("The request has taken too long")
            server = connection.info.host, connection.info.port
            if now >= until or (own is None and any(is_gone(*server) for is_gone in _doubts)):
                raise psycopg2.OperationalError(
                    "PostgreSQL at {}:{} does not answer".format(*server)
                )
