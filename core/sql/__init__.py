"""Decides which server a read goes to; only this package knows of primaries, replicas and LSNs.

Reads go to the primaries unless the caller asked for the replicas. Only the Read API does, through
`ConsistencyMiddleware`. There, a read goes to a replica that

- is in rotation: it answers, and lags by no more than REPLICA_MAX_LAG (`servers`);
- has replayed what the caller has written: the LSN of the primary after each commit of theirs is
  kept in STATE for a while, and in the Consistency-Token of their answers (`lsns`);
- has replayed what tasks have written, and follows and activations of accounts, as of half a second
  ago.

Otherwise, and while STATE is down, it goes to the primary. While the primary is down, reads that
must be as new as this moment (`primary_reads`) go to the replica, if it has replayed what the
caller has written; the caller is told, and must not store the result as new.

A request that fails because its server is down runs once more without that server.
"""

from core.sql.checks import answers, watch
from core.sql.lsns import PRIMARIES
from core.sql.middleware import ConsistencyMiddleware
from core.sql.reads import all_found, first_found, note_reader, primary_reads, replica_reads
from core.sql.router import DatabaseRouter
from core.sql.statements import note_written, sql_statements
from core.sql.wal import TIMELINE_SQL, insert_lsn

__all__ = [
    "PRIMARIES",
    "TIMELINE_SQL",
    "ConsistencyMiddleware",
    "DatabaseRouter",
    "all_found",
    "answers",
    "first_found",
    "insert_lsn",
    "note_reader",
    "note_written",
    "primary_reads",
    "replica_reads",
    "sql_statements",
    "watch",
]
