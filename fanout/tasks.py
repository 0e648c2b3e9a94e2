"""Celery tasks: wake-ups. What they have to do, and whether it is done, is in the outbox."""

from __future__ import annotations

import logging
from typing import Any

from celery import shared_task
from celery.signals import beat_init

from core.metrics.shared import count, sample
from core.sql import PRIMARIES
from fanout import backlog, outbox, services
from operations import reconcile

logger = logging.getLogger(__name__)
SWEEP_LIMIT = 500


@shared_task
def deliver_event(*, database: str, event_id: int, **kwargs: Any) -> None:
    """Deliver one outbox row; log it and count it."""
    delivery = services.deliver_event(database=database, event_id=event_id)
    if delivery is None:
        return
    seconds = round(delivery.seconds, 4)
    logger.info(
        *("delivered %s/%d: %s, %d entries, %.4f s", database, event_id),
        *(delivery.kind, delivery.entries, seconds),
        extra={
            "event": f"{database}/{event_id}",
            "kind": delivery.kind,
            "entries": delivery.entries,
            "seconds": seconds,
        },
    )
    count(
        values={
            sample("socialfeed_deliveries_total", delivery.kind): 1,
            "socialfeed_timeline_entries_total": delivery.entries,
        }
    )


@shared_task(expires=60)
def sweep_outbox(**kwargs: Any) -> None:
    """Wake the deliveries that nobody has finished in time, and note what has been delivered."""
    for database in PRIMARIES:
        overdue = outbox.claim_overdue(database=database, limit=SWEEP_LIMIT)
        for event_id in overdue:
            deliver_event.delay(database=database, event_id=event_id)
        if overdue:
            logger.info("woke %d overdue deliveries of %s", len(overdue), database)
    services.note_what_is_delivered()


@shared_task(expires=60)
def reconcile_counters(**kwargs: Any) -> None:
    """Compare the counts that have changed lately with what was counted, and mend them."""
    reconcile.reconcile_recent()


@shared_task(expires=3600)
def prune_outbox(**kwargs: Any) -> None:
    """Delete rows that were done long ago."""
    for database in PRIMARIES:
        while outbox.prune(database=database):
            pass


@beat_init.connect
def export_backlog(**kwargs: Any) -> None:
    """By beat itself: when all workers are dead, no task would say so."""
    backlog.start_exporting()
