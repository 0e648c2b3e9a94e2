"""Deadlines: how long a process waits for PostgreSQL to answer.

The server applies `statement_timeout` itself, so that does not help when the server is frozen or
the network loses everything. So a process also waits with a deadline of its own, by psycopg2's hook
for waiting (`set_wait_callback`). When a server does not answer in time, the connection is closed
and the statement fails as if the server were down. A process stops waiting earlier when a check has
found that the server does not answer (`give_up_when`).
"""

import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import psycopg2
from psycopg2 import extensions

# A server that is up accepts a connection within milliseconds.
SECONDS_TO_CONNECT = 2.0
# How often a waiting process asks whether it should give up.
_POLL_SECONDS = 0.25

_limits = threading.local()
_give_up: list[Callable[[str, int], bool]] = []


class NoAnswer(psycopg2.OperationalError):
    """A server did not answer in time, or a check has found that it does not."""


class BudgetSpent(psycopg2.OperationalError):
    """The statements of a request have taken too long together."""


def install(*, seconds: float) -> None:
    """Wait at most `seconds` for any answer, from now on, in every thread of this process."""
    extensions.set_wait_callback(partial(_wait, seconds=seconds))


def give_up_when(is_gone: Callable[[str, int], bool]) -> None:
    """Stop waiting for a server when `is_gone(host, port)` is true; not inside `deadline`."""
    _give_up.append(is_gone)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Wait at most `seconds` for any answer inside the block; no effect before `install`."""
    before = getattr(_limits, "seconds", None)
    _limits.seconds = seconds
    try:
        yield
    finally:
        _limits.seconds = before


@contextmanager
def budget(seconds: float) -> Iterator[None]:
    """Wait at most `seconds` for all answers inside the block; no effect before `install`.

    After that a statement raises `BudgetSpent`.
    """
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
        # A new poller each time: while it connects, psycopg2 may change the socket.
        poller = select.poll()
        poller.register(connection.fileno(), wanted)
        while not poller.poll(max(0.0, min(until - now, _POLL_SECONDS)) * 1000):
            now = time.monotonic()
            if now >= budget_until:
                raise BudgetSpent("The statements of this request have taken too long")
            server = connection.info.host, connection.info.port
            if now >= until or (own is None and any(is_gone(*server) for is_gone in _give_up)):
                raise NoAnswer("PostgreSQL at {}:{} does not answer".format(*server))
