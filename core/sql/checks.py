"""Checks of the SQL servers, so that no request waits for a server to be tried.

In an API process a thread for each server checks it every second, over a connection of its own.

The lag of a replica is measured by the primary's log: how long ago did the primary have the LSN
that the replica has now? The time of the last commit that a replica has replayed does not tell:
there may have been none since.
While the primary is down nothing is written, so the lag stays as it was.
"""

import logging
import threading
import time
from functools import cache

import psycopg2
from django.conf import settings
from django.db import connections

from core.metrics import local as local_metrics
from core.sql import deadlines, hosts
from core.sql.servers import (
    Server,
    is_replica,
    is_silent_at,
    note_checked,
    note_down,
    note_rotation,
    primary_of,
    replicas_of,
    server_of,
)
from core.sql.wal import LSN_SQL, replayed_lsn, timeline_of

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_CHECKS = 1.0
# More than a busy server takes. Requests that wait for a server give up when a check has.
SECONDS_OF_A_CHECK = 2.0
# With the LSN: whether it is a standby, and how long ago the last transaction that it has replayed
# was committed.
_CHECK_SQL = f"""{LSN_SQL}, pg_is_in_recovery(),
    extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float
"""


@cache
def watch() -> None:
    """Start the threads that check every server, once in a process; returns at once."""
    deadlines.give_up_when(is_silent_at)
    checked: dict[int, str] = {}
    for alias in connections:
        checked.setdefault(id(server_of(alias)), alias)
    for alias in checked.values():
        server_of(alias).is_checked = True
        threading.Thread(target=_watch, args=[alias], name=f"watch {alias}", daemon=True).start()


def _watch(alias: str) -> None:
    connection: psycopg2.extensions.connection | None = None
    server = server_of(alias)
    while True:
        try:
            connection = check(alias, connection)
        except Exception as error:  # any: without this thread nobody would check the server again
            logger.exception("%s could not be checked", server.name)
            note_down(alias, error)
        if is_replica(alias):
            note_rotation(alias)
        lag = float("inf") if server.lag is None else server.lag
        local_metrics.note_server(
            server=server.name, answers=server.answers, lag=lag if is_replica(alias) else None
        )
        time.sleep(SECONDS_BETWEEN_CHECKS)


def answers(primary: str, *, for_writes: bool) -> bool:
    """Whether a database can be written to, or at least be read, as of the last check.

    A process that does not check every second (`watch`) checks it now.
    """
    for alias in [primary] if for_writes else [primary, *replicas_of(primary)]:
        server = server_of(alias)
        if not server.is_checked and (connection := check(alias)) is not None:
            connection.close()
        if server.answers:
            return True
    return False


def check(
    alias: str, connection: psycopg2.extensions.connection | None = None
) -> psycopg2.extensions.connection | None:
    """Check a server and note what was found; returns the connection, or None if it is lost.

    Opens a connection if none is given.
    """
    server, began = server_of(alias), time.monotonic()
    try:
        with deadlines.deadline(SECONDS_OF_A_CHECK):
            if connection is None:
                connection = _connect(alias)
                server.checked = connection.info.host, str(connection.info.port)
            with connection.cursor() as cursor:
                cursor.execute(_CHECK_SQL)
                row = cursor.fetchone()
    except psycopg2.Error as error:
        note_down(alias, error)
        server.lag = None
        if connection is None:
            note_checked(server.hosts, silent=hosts.unreachable(server.hosts))
        else:
            host = server.checked or server.hosts[0]
            note_checked([], silent=[host])
            if isinstance(error, deadlines.NoAnswer):
                hosts.note_silence(host)
            connection.close()
        return None
    assert row is not None  # noqa: S101  (the statement answers one row)
    note_checked([server.checked or server.hosts[0]])
    hosts.note_answer(server.checked or server.hosts[0])
    if is_replica(alias):
        _note_lag(server, server_of(primary_of(alias)), began, row)
    elif row[2] or hosts.is_former(server.hosts, timeline_of(row[0])):
        # Behind a pooler, connections outlive a change of roles.
        is_what = "standby" if row[2] else "former primary"
        note_down(alias, psycopg2.OperationalError(f"It is a {is_what}"))
        connection.close()
        return None
    else:
        _note_lsn(server, began, row[0])
    if server.down_since is not None and server.down_since < began:
        logger.warning("%s answers again", server.name)
        server.down_since = None
    return connection


def _connect(alias: str) -> psycopg2.extensions.connection:
    # Not one of Django's, which belong to their threads and are closed and noted as a request's.
    parameters = connections[alias].get_connection_params()
    parameters = {name: value for name, value in parameters.items() if name != "cursor_factory"}
    connection: psycopg2.extensions.connection = hosts.connect(
        lambda chosen: psycopg2.connect(**chosen), parameters, skip_silent=False
    )
    connection.autocommit = True
    return connection


def _note_lsn(primary: Server, now: float, lsn: int) -> None:
    hosts.note_timeline(primary.hosts, timeline_of(lsn))
    if timeline_of(lsn) != timeline_of(primary.first_lsn):
        primary.first_lsn = lsn
    primary.samples.append((now, lsn))
    # Keeps all samples that may count, and one older.
    while len(primary.samples) > 1 and primary.samples[1][0] < now - 2 * settings.REPLICA_MAX_LAG:
        primary.samples.popleft()


def _note_lag(
    replica: Server,
    primary: Server,
    now: float,
    row: tuple[int, int | None, bool, float | None],
) -> None:
    """Note how far a replica lags, by the answer to _CHECK_SQL."""
    lsn, received, in_recovery, seconds_since = row
    replayed = replayed_lsn(lsn, received, first=primary.first_lsn)
    replica.is_standby = in_recovery
    was_near = replica.lag is None or replica.lag <= settings.REPLICA_MAX_LAG
    samples = list(primary.samples)
    if primary.answers and timeline_of(replayed) < timeline_of(primary.first_lsn):
        replica.lag = float("inf")
    elif not in_recovery or not samples or replayed >= samples[-1][1]:
        replica.lag = 0.0
    elif not primary.answers:
        replica.lag = replica.lag or 0.0
    else:
        # Two upper bounds. The first is missing for LSNs from before the first check.
        bounds = [now - at for at, lsn in samples if lsn <= replayed][-1:]
        if seconds_since is not None:
            bounds.append(seconds_since)
        replica.lag = min(bounds, default=float("inf"))
    is_near = replica.lag <= settings.REPLICA_MAX_LAG
    if was_near and not is_near:
        logger.error("%s lags by %.1f s, and is out of rotation", replica.name, replica.lag)
    elif is_near and not was_near:
        logger.warning("%s is near its primary again", replica.name)
