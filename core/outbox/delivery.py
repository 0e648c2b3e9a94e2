"""Deliver one outbox row: take its lease, run its subscriber's handler, save the cursor.

A killed delivery is repeated from its last saved cursor. See `rows` for one that was frozen.
"""

import logging
import time
from dataclasses import dataclass

from django.db import transaction

from core.outbox import rows
from core.outbox.subscriptions import Subscription, subscribers_of, subscription_of

logger = logging.getLogger(__name__)
# The cursor is saved and the lease extended no more often than this, because each save is a commit.
# A crash repeats at most this much work, and a lease lasts much longer.
SECONDS_BETWEEN_SAVES = 0.5


@dataclass(frozen=True)
class Delivery:
    """A finished delivery. `entries`: how many entries of home timelines it wrote."""

    kind: str
    subscriber: str
    entries: int
    seconds: float


def deliver_event(*, database: str, event_id: int) -> Delivery | None:
    """Deliver one row of a database's outbox; returns None if this call does not finish it.

    That is: the row is done, or gone, or another process has its lease. If the handler raises, the
    sweeper wakes the row again later, and the error goes on to the caller.
    """
    lease = rows.take_lease(database=database, event_id=event_id)
    return _deliver(lease) if lease is not None else None


def deliver_in_request(*, database: str, event_id: int) -> Delivery | None:
    """The same at once, whichever process has the row's lease: that one may have died.

    If it has not, two processes run the handler. That does no harm, as any step may run twice.
    """
    lease = rows.take_over_lease(database=database, event_id=event_id)
    return _deliver(lease) if lease is not None else None


def _deliver(lease: rows.Lease) -> Delivery | None:
    start, entries = time.monotonic(), 0
    saved_at = start
    event, cursor, pause = lease.event, lease.event.cursor, rows.MAX_BACKOFF_SECONDS
    try:
        subscription = _subscription(lease)
        pause = subscription.longest_pause
        for step in subscription.steps(event.payload, cursor):
            entries, cursor = entries + step.entries, step.cursor
            if not step.is_saved_at_once and time.monotonic() - saved_at < SECONDS_BETWEEN_SAVES:
                continue
            if not rows.save_cursor(lease, cursor=cursor):
                logger.warning(
                    "lost the lease of %s/%s: another process goes on", lease.database, event.pk
                )
                return None
            saved_at = time.monotonic()
    except Exception as error:
        rows.give_back(lease, cursor=cursor, error=error, at_most=pause)
        raise
    if not rows.mark_done(lease):
        return None
    seconds = time.monotonic() - start
    return Delivery(event.kind, subscription.subscriber, entries, seconds)


def _subscription(lease: rows.Lease) -> Subscription[object]:
    """The subscription that the row is for; raises LookupError if this release has none.

    A row without a subscriber comes from a release with one subscriber per event. It goes to the
    event's first subscriber, and the others get rows of their own.
    """
    event = lease.event
    if event.subscriber:
        return subscription_of(kind=event.kind, subscriber=event.subscriber)
    if not (subscriptions := subscribers_of(event.kind)):
        raise LookupError(f"No app has a handler for {event.kind} in this release.")
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
