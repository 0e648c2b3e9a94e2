"""Which server a read goes to: the one place that knows about primaries, replicas and their logs.

Reads go to the primaries unless somebody asked for the replicas; only the Read API does, through
`ConsistencyMiddleware`. There, a read goes to a replica that

- is in rotation: it answers, and lags by no more than REPLICA_MAX_LAG (`servers`);
- has replayed what the caller has written: the position of the primary's log after each commit of
  theirs, kept in STATE for a while, and in the Consistency-Token of their answers (`positions`);
- has replayed what tasks have written, and who follows whom and whose account is on, as far as
  that was half a second ago.

Otherwise it goes to the primary. STATE does not answer: the primary. The primary is down: what must
be as new as this moment (`primary_reads`) comes from the replica, if that has replayed what the
caller has written, and then says so, so that nobody keeps it as new.

A request that meets a server that is gone is run once more, around it.
"""

from core.sql.middleware import ConsistencyMiddleware
from core.sql.positions import PRIMARIES
from core.sql.reads import (
    all_found,
    answers,
    first_found,
    note_reader,
    primary_reads,
    replica_reads,
)
from core.sql.router import DatabaseRouter
from core.sql.servers import watch
from core.sql.statements import note_written

__all__ = [
    "PRIMARIES",
    "ConsistencyMiddleware",
    "DatabaseRouter",
    "all_found",
    "answers",
    "first_found",
    "note_reader",
    "note_written",
    "primary_reads",
    "replica_reads",
    "watch",
]
