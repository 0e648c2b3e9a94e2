"""Deliver what the outbox holds."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.utils import timezone

from fanout import outbox
from fanout.handlers import HANDLERS
from socialfeed.common.ids import created_at_of, first_id_at
from timeline import services as timeline_services

logger = logging.getLogger(__name__)
# A post has its id before its transaction commits, and is in the outbox only then. No request
# lives as long as this.
_LONGEST_TRANSACTION = timedelta(seconds=60)


def deliver_event(*, database: str, event_id: int) -> bool:
    """Deliver one row of a database's outbox; True when it is done by this call.

    False when it was done before or somebody else delivers it. On an error the row goes back to
    the sweeper, and the error goes on to the caller.
    """
    lease = outbox.take_lease(database=database, event_id=event_id)
    if lease is None:
        return False
    try:
        for cursor in HANDLERS[lease.event.kind](lease.event):
            if not outbox.save_cursor(lease, cursor=cursor):
                logger.warning("lost the lease of %s/%s: another goes on", database, event_id)
                return False
    except Exception as error:
        outbox.give_back(lease, error=error)
        raise
    return outbox.mark_done(lease)


def note_what_is_delivered() -> None:
    """Tell Timeline up to which post everything has been delivered.

    While workers are down it stands still, and goes on once they have made up for it.
    """
    now, oldest = timezone.now(), outbox.oldest_undone()
    undone_since = now if oldest is None else min(now, created_at_of(oldest))
    timeline_services.note_delivered_up_to(post_id=first_id_at(undone_since - _LONGEST_TRANSACTION))
