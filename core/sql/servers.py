"""The SQL servers as this process knows them: which answer, and how far the replicas lag.

In an API process a thread for each server looks at it every second, over a connection of its own
(`watch`), so that no request ever waits for a server to be tried. A server that a look or a
request finds gone, or a replica that lags by more than REPLICA_MAX_LAG, is out of rotation until a
look that began later succeeds. Where nobody looks (commands, tasks), one that has failed is left
alone for LEFT_ALONE_SECONDS.

How far a replica lags is told by the primary's own log, as the clock of a replica that gets nothing
to replay stands still: by when the primary was where the replica is now. With the primary down
nothing is written, and the replica is as good as it is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import psycopg2
from django.conf import settings
from django.db import connections

from core.metrics import local as local_metrics
from core.sql import deadlines
from core.sql.positions import POSITION_SQL, log_position

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 1.0
# More than a busy server takes: who waits for one that a look gave up on, gives up too.
SECONDS_OF_A_LOOK = 2.0
LEFT_ALONE_SECONDS = 5.0
# How long ago the last transaction that a replica has replayed was committed, by its clock.
_REPLICA_SQL = f"""
SELECT ({POSITION_SQL}), pg_is_in_recovery(),
    extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float
"""  # noqa: S608  (constants)

_SUFFIX = "_replica"


@dataclass
class _Server:
    """What is known of a server; shared by all aliases that lead to it."""

    name: str
    left_at: float | None = None  # since when it is out of rotation, by a look or a request
    is_silent: bool = False  # whether the last look had no answer
    last_left_at: float | None = None  # the same, kept once it answers again
    lag: float | None = None  # of a replica, in seconds; None: not known
    is_watched: bool = False
    # Of a primary: when its log was where, newest last.
    samples: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def answers(self) -> bool:
        if self.left_at is None:
            return True
        return not self.is_watched and time.monotonic() - self.left_at > LEFT_ALONE_SECONDS


@dataclass
class _Connected:
    """What is known of this thread's connection: since when, and how far its server has come."""

    at: float = field(default_factory=time.monotonic)
    replayed: int = 0


class _Replayed(NamedTuple):
    """What _REPLICA_SQL answers."""

    position: int
    is_replica: bool  # or the primary itself, where there is none
    seconds_since: float | None


_servers: dict[tuple[str, str], _Server] = {}
_lock = threading.Lock()
_thread = threading.local()


def is_replica(alias: str) -> bool:
    """Whether an alias is a replica's."""
    return alias.endswith(_SUFFIX)


def replica_of(primary: str) -> str:
    """The alias of a primary's replica."""
    return primary + _SUFFIX


def answers(alias: str) -> bool:
    """Whether a server answered when it was last asked."""
    return _server(alias).answers


def answers_now(alias: str) -> bool:
    """The same, asked now where nobody looks at it."""
    if not _server(alias).is_watched:
        connection = look(alias)
        if connection is not None:
            connection.close()
    return _server(alias).answers


def is_in_rotation(replica: str) -> bool:
    """Whether a replica answers and is near enough to its primary."""
    server = _server(replica)
    if server.lag is None:  # not looked at: yet, or at all
        return server.answers and not server.is_watched
    return server.answers and server.lag <= settings.REPLICA_MAX_LAG


def lags() -> dict[str, float]:
    """By how many seconds each replica lags that has been looked at."""
    known = {alias: _server(alias).lag for alias in connections if is_replica(alias)}
    return {alias: lag for alias, lag in known.items() if lag is not None}


def left(alias: str, error: Exception) -> None:
    """A server did not answer: take it out of rotation."""
    server = _server(alias)
    if server.answers:
        logger.error("%s does not answer, and is left alone: %s", server.name, error)
    server.left_at = server.last_left_at = time.monotonic()


def has_replayed(replica: str, position: int) -> bool:
    """Whether the server of this thread's connection has come so far; a query, if not known."""
    here = _connected(replica)
    if here.replayed < position:
        here.replayed = log_position(replica)
    return here.replayed >= position


def note_connected(alias: str) -> None:
    """This thread has connected anew: to another server, maybe, which has not come so far."""
    _thread.__dict__[alias] = _Connected()


def is_outlived(alias: str) -> bool:
    """Whether this thread's connection is from before the server was found gone: it is dead."""
    left_at = _server(alias).last_left_at
    return left_at is not None and _connected(alias).at < left_at


def _connected(alias: str) -> _Connected:
    known: dict[str, _Connected] = _thread.__dict__
    return known.setdefault(alias, _Connected())


def _server(alias: str) -> _Server:
    name, key = _address(alias)
    server = _servers.get(key)
    if server is None:
        with _lock:
            server = _servers.setdefault(key, _Server(name))
    return server


@cache
def _address(alias: str) -> tuple[str, tuple[str, str]]:
    parameters = connections[alias].settings_dict
    role = "replica" if is_replica(alias) else "primary"
    host = f"{parameters['HOST']}:{parameters['PORT'] or 5432}"
    return f"{role} {host}", (role, host)


# --- looking ------------------------------------------------------------------------------------


@cache
def watch() -> None:
    """Begin to look at every server, once in a process; returns at once."""
    deadlines.give_up_when(_is_gone)
    watched: dict[int, str] = {}
    for alias in connections:
        watched.setdefault(id(_server(alias)), alias)
    for alias in watched.values():
        _server(alias).is_watched = True
        threading.Thread(target=_watch, args=[alias], name=f"watch {alias}", daemon=True).start()


def _is_gone(host: str, port: int) -> bool:
    addresses = [(role, f"{host}:{port}") for role in ("primary", "replica")]
    # What a request has met may be its own connection's end; a look is sure.
    return any(key in _servers and _servers[key].is_silent for key in addresses)


def _watch(alias: str) -> None:
    connection: psycopg2.extensions.connection | None = None
    server = _server(alias)
    while True:
        try:
            connection = look(alias, connection)
        except Exception as error:  # whatever it is, nobody else would look again
            logger.exception("%s was not looked at", server.name)
            left(alias, error)
        lag = float("inf") if server.lag is None else server.lag
        local_metrics.note_server(
            server=server.name, answers=server.answers, lag=lag if is_replica(alias) else None
        )
        time.sleep(SECONDS_BETWEEN_LOOKS)


def look(
    alias: str, connection: psycopg2.extensions.connection | None = None
) -> psycopg2.extensions.connection | None:
    """Look at a server, over this connection or a new one; the connection, if it still works."""
    server, began = _server(alias), time.monotonic()
    try:
        with deadlines.deadline(SECONDS_OF_A_LOOK):
            if connection is None:
                connection = _connect(alias)
            with connection.cursor() as cursor:
                cursor.execute(_REPLICA_SQL if is_replica(alias) else POSITION_SQL)
                row = cursor.fetchone()
    except psycopg2.Error as error:
        left(alias, error)
        server.lag, server.is_silent = None, True
        if connection is not None:
            connection.close()
        return None
    assert row is not None  # noqa: S101  (both statements answer one row)
    server.is_silent = False
    if is_replica(alias):
        _note_lag(server, _server(alias.removesuffix(_SUFFIX)), began, _Replayed(*row))
    else:
        _note_position(server, began, row[0])
    if server.left_at is not None and server.left_at < began:
        logger.warning("%s answers again", server.name)
        server.left_at = None
    return connection


def _connect(alias: str) -> psycopg2.extensions.connection:
    # None of Django's, which are their threads' and would be closed and watched as requests' are.
    parameters = connections[alias].get_connection_params()
    parameters = {name: value for name, value in parameters.items() if name != "cursor_factory"}
    connection: psycopg2.extensions.connection = psycopg2.connect(**parameters)
    connection.autocommit = True
    return connection


def _note_position(primary: _Server, now: float, position: int) -> None:
    primary.samples.append((now, position))
    # The newest that is too old to count, and all that are newer.
    while len(primary.samples) > 1 and primary.samples[1][0] < now - 2 * settings.REPLICA_MAX_LAG:
        primary.samples.popleft()


def _note_lag(replica: _Server, primary: _Server, now: float, found: _Replayed) -> None:
    was_near = replica.lag is None or replica.lag <= settings.REPLICA_MAX_LAG
    samples = list(primary.samples)
    if not found.is_replica or not samples or found.position >= samples[-1][1]:
        replica.lag = 0.0
    elif not primary.answers:
        # Nothing is written meanwhile, and what it lacks it cannot get.
        replica.lag = replica.lag or 0.0
    else:
        # Two bounds, of which the first is not known of what was before this process began to look.
        bounds = [now - at for at, position in samples if position <= found.position][-1:]
        if found.seconds_since is not None:
            bounds.append(found.seconds_since)
        replica.lag = min(bounds, default=float("inf"))
    is_near = replica.lag <= settings.REPLICA_MAX_LAG
    if was_near and not is_near:
        logger.error("%s lags by %.1f s, and is left alone", replica.name, replica.lag)
    elif is_near and not was_near:
        logger.warning("%s is near its primary again", replica.name)
