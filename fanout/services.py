"""Deliver what the outbox holds."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from core.ids import created_at_of, first_id_at
from fanout import outbox
from fanout.handlers import HANDLERS
from timeline import services as timeline_services

logger = logging.getLogger(__name__)
# A post has its id before its transaction commits, and is in the outbox only then. No request
# lives as long as this.
_LONGEST_TRANSACTION = timedelta(seconds=60)
# A cursor is saved, and the lease looked after, no more often than this, for each time is a commit.
# What is done again after a crash is no more than that, and a lease lasts much longer.
SECONDS_BETWEEN_SAVES = 0.5


@dataclass(frozen=True)
class Delivery:
    """One that is done: what of, how many entries of home timelines it wrote, how long it took."""

    kind: str
    entries: int
    seconds: float


def deliver_event(*, database: str, event_id: int) -> Delivery | None:
    """Deliver one row of a database's outbox; None when that is not done by this call.

    It was done before then, or somebody else delivers it. On an error the row goes back to the
    sweeper, and the error goes on to the caller.
    """
    start, entries = time.monotonic(), 0
    saved_at = start
    lease = outbox.take_lease(database=database, event_id=event_id)
    if lease is None:
        return None
    cursor = lease.event.cursor
    try:
        for step in HANDLERS[lease.event.kind](lease.event):
            entries, cursor = entries + step.entries, step.cursor
            if not step.is_saved_at_once and time.monotonic() - saved_at < SECONDS_BETWEEN_SAVES:
                continue
            if not outbox.save_cursor(lease, cursor=cursor):
                logger.warning("lost the lease of %s/%s: another goes on", database, event_id)
                return None
            saved_at = time.monotonic()
    except Exception as error:
        outbox.give_back(lease, cursor=cursor, error=error)
        raise
    if not outbox.mark_done(lease):
        return None
    return Delivery(lease.event.kind, entries, time.monotonic() - start)


def note_what_is_delivered() -> None:
    """Tell Timeline up to which post everything has been delivered.

    While workers are down it stands still, and goes on once they have made up for it.
    """
    now, oldest = timezone.now(), outbox.oldest_undone()
    undone_since = now if oldest is None else min(now, created_at_of(oldest))
    timeline_services.note_delivered_up_to(post_id=first_id_at(undone_since - _LONGEST_TRANSACTION))
