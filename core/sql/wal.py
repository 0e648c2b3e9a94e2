"""LSNs: up to which byte a server has its write-ahead log, and on which timeline.

A log sequence number (LSN) is a number of bytes of PostgreSQL's write-ahead log. A server that has
replayed the log up to the LSN of a primary shows everything that was committed there before.

Each promotion of a replica begins a new timeline of the log, with a greater number (TLI), at the
byte that the new primary had replayed. What the former primary wrote after that byte is lost. So
the LSNs here have two parts: the timeline, and the byte. A greater one is later, whatever was lost:
a server on a newer timeline has all that is left of an older one. See docs/decisions/0042.
"""

from django.db import connections

# The low bits of an LSN are the byte: 4.5 PB of log, 28 years at 5 MB/s. The others are the
# timeline: 2,046 promotions.
_BYTE_BITS = 52
_TIMELINE = "('x' || left(pg_walfile_name(pg_current_wal_flush_lsn()), 8))::bit(32)::bigint"
# An SQL expression: the timeline that a primary writes; 0 on a replica.
TIMELINE_SQL = f"(CASE WHEN pg_is_in_recovery() THEN 0 ELSE {_TIMELINE} END)"
# The LSN of a primary; an error on a replica. It is asked after each write, so it is short.
_PRIMARY_LSN = f"({_TIMELINE} << {_BYTE_BITS}) + (pg_current_wal_flush_lsn() - '0/0')::bigint"
# The LSN of a server: what a primary has flushed to its disk, or a replica has replayed. What a
# primary has not flushed yet is not committed, and no replica gets it. A replica does not say which
# timeline it replays, only which one its files are on, which may be older. So there is also the
# timeline that it receives, which may be newer; only roles with pg_read_all_stats see that.
LSN_SQL = f"""
SELECT CASE WHEN pg_is_in_recovery() THEN
    ((
        SELECT greatest(timeline_id, min_recovery_end_timeline)
        FROM pg_control_checkpoint(), pg_control_recovery()
    )::bigint << {_BYTE_BITS}) + (pg_last_wal_replay_lsn() - '0/0')::bigint
ELSE {_PRIMARY_LSN} END,
(SELECT received_tli FROM pg_stat_wal_receiver)
"""  # noqa: S608  (constants)
# The end of a primary's log, whether it is flushed or not: every statement that writes moves it.
_INSERT_LSN = f"""({TIMELINE_SQL} << {_BYTE_BITS}) + (
    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END
    - '0/0'
)::bigint"""
# The LSN of a primary that cannot be asked. No server ever reaches it.
UNKNOWN = 2**63 - 1


def timeline_of(lsn: int) -> int:
    """The timeline of the log that an LSN is on; 0 for UNKNOWN, which is on none."""
    return 0 if lsn == UNKNOWN else lsn >> _BYTE_BITS


def replayed_lsn(lsn: int, received: int | None, *, first: int) -> int:
    """The LSN that a replica has replayed, by its answer to LSN_SQL.

    `first`: any LSN on the newest timeline, which its primary once had. A replica that receives
    that timeline and has replayed as many bytes is on it.
    """
    on_received = ((received or 0) << _BYTE_BITS) + lsn % (1 << _BYTE_BITS)
    is_there = timeline_of(on_received) == timeline_of(first) and on_received >= first
    return max(lsn, on_received) if is_there else lsn


def primary_lsn(alias: str) -> int:
    """The LSN of a primary now; one query. Raises OperationalError if it is a replica."""
    return _asked(alias, _PRIMARY_LSN)


def insert_lsn(alias: str) -> int:
    """The end of a primary's log now, also of what is not flushed or committed yet; one query.

    On a replica, what it has replayed, without a timeline.
    """
    return _asked(alias, _INSERT_LSN)


def _asked(alias: str, expression: str) -> int:
    with connections[alias].cursor() as cursor:
        cursor.execute(f"SELECT {expression}")
        lsn: int = cursor.fetchone()[0]
    return lsn


def server_lsn(alias: str, *, first: int = 0) -> int:
    """The LSN of a server now: what a primary has written, or a replica has replayed; one query.

    `first`: as in `replayed_lsn`.
    """
    with connections[alias].cursor() as cursor:
        cursor.execute(LSN_SQL)
        lsn, received = cursor.fetchone()
    return replayed_lsn(lsn, received, first=first)
