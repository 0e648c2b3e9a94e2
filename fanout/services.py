"""Deliver what the outbox holds."""

from __future__ import annotations

import logging

from fanout import outbox
from fanout.handlers import HANDLERS

logger = logging.getLogger(__name__)


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
