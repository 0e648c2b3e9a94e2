"""Deliver one outbox row: take its lease, run its subscriber's handler, save how far that came.

The row is the truth and Celery only a wake-up. A delivery that is killed is done again from its
last saved cursor; one that was frozen finds at its next save that another process has its lease.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from django.db import transaction

from core.outbox import rows
from core.outbox.subscriptions import Subscription, subscribers_of, subscription_of

logger = logging.getLogger(__name__)
# A cursor is saved, and the lease prolonged, no more often than this, because each time is a
# commit. A crash repeats at most this much work, and a lease lasts much longer.
SECONDS_BETWEEN_SAVES = 0.5


@dataclass(frozen=True)
class Delivery:
    """A finished delivery: of what, to whom, how many entries of home timelines it wrote, how long
    it took in seconds.
    """

    kind: str
    subscriber: str
    entries: int
    seconds: float


def deliver_event(*, database: str, event_id: int) -> Delivery | None:
    """Deliver one row of a database's outbox; None when this call does not finish it.

    That is so when the row is done already, or another process has its lease. When the handler
    raises, the row goes back to the sweeper, and the error goes on to the caller.
    """
    start, entries = time.monotonic(), 0
    saved_at = start
    lease = rows.take_lease(database=database, event_id=event_id)
    if lease is None:
        return None
    event, cursor = lease.event, lease.event.cursor
    try:
        subscription = _subscription(lease)
        for step in subscription.steps(event.payload, cursor):
            entries, cursor = entries + step.entries, step.cursor
            if not step.is_saved_at_once and time.monotonic() - saved_at < SECONDS_BETWEEN_SAVES:
                continue
            if not rows.save_cursor(lease, cursor=cursor):
                logger.warning("lost the lease of %s/%s: another goes on", database, event_id)
                return None
            saved_at = time.monotonic()
    except Exception as error:
        rows.give_back(lease, cursor=cursor, error=error)
        raise
    if not rows.mark_done(lease):
        return None
    seconds = time.monotonic() - start
    return Delivery(event.kind, subscription.subscriber, entries, seconds)


def _subscription(lease: rows.Lease) -> Subscription[object]:
    """Whose handler the row is for; raises LookupError.

    A row without a subscriber was written by a release that knew only one for each event. It
    becomes the first subscriber's, and the others get rows of their own.
    """
    event = lease.event
    if event.subscriber:
        return subscription_of(kind=event.kind, subscriber=event.subscriber)
    if not (subscriptions := subscribers_of(event.kind)):
        raise LookupError(f"Nobody has a handler for {event.kind} in this release.")
    first, *others = subscriptions
    with transaction.atomic(using=lease.database):
        rows.assign(lease, subscriber=first.subscriber)
        for other in others:
            rows.record(
                database=lease.database,
                kind=event.kind,
                subscriber=other.subscriber,
                payload=event.payload,
            )
    return first
