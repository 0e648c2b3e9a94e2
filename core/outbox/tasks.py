"""Celery tasks: only wake-ups. The outbox says what is to be done, and what is done."""

import logging
from typing import Any

from celery import current_app, shared_task
from celery.signals import beat_init

from core.metrics.shared import count, sample
from core.outbox import backlog, delivery, rows
from core.outbox.subscriptions import queue_of, queues_apart
from core.sql import PRIMARIES

logger = logging.getLogger(__name__)
SWEEP_LIMIT = 500
# Beside so many wake-ups in a queue, more would only fill the broker.
FULL_QUEUE = 1000


# The name by which the release before sends and knows it: in a rolling deploy, either release wakes
# the other's workers.
@shared_task(name="fanout.tasks.deliver_event")
def deliver_event(*, database: str, event_id: int, **kwargs: Any) -> None:
    """Deliver one outbox row; log it and count it."""
    done = delivery.deliver_event(database=database, event_id=event_id)
    if done is None:
        return
    fields = {"event": f"{database}/{event_id}", **vars(done), "seconds": round(done.seconds, 4)}
    text = "delivered %(event)s: %(kind)s to %(subscriber)s, %(entries)d entries, %(seconds).4f s"
    logger.info(text, fields, extra=fields)
    count(
        values={
            sample("socialfeed_deliveries_total", done.kind): 1,
            "socialfeed_timeline_entries_total": done.entries,
        }
    )


def wake(*, database: str, event_id: int, queue: str) -> None:
    """Have a worker of a queue deliver a row. Broker down: raises, and the sweeper wakes the row
    later.
    """
    deliver_event.apply_async(kwargs={"database": database, "event_id": event_id}, queue=queue)


@shared_task(expires=60)
def sweep_outbox(**kwargs: Any) -> None:
    """Wake a worker for each overdue row, unless its queue has wake-ups enough.

    If the broker fails meanwhile, the next sweep tries the rest.
    """
    full = _full_queues()
    for database in PRIMARIES:
        overdue = rows.claim_overdue(database=database, limit=SWEEP_LIMIT, leaving=full)
        for place, row in enumerate(overdue):
            queue = queue_of(kind=row.kind, subscriber=row.subscriber)
            try:
                wake(database=database, event_id=row.id, queue=queue)
            except Exception:
                rest = [row.id for row in overdue[place:]]
                rows.unclaim(database=database, event_ids=rest)
                raise
        if overdue:
            logger.info("woke %d overdue deliveries of %s", len(overdue), database)


def _full_queues() -> list[tuple[str, str]]:
    """The events and subscribers whose queue has more than FULL_QUEUE wake-ups.

    The default queue is not asked: its workers run this task, so it does not grow while they do not
    work.
    """
    full: list[tuple[str, str]] = []
    with current_app.connection_or_acquire() as connection:
        for queue, served in queues_apart().items():
            bound = current_app.amqp.queues[queue](connection.default_channel)
            declared: Any = bound.queue_declare()
            if declared.message_count > FULL_QUEUE:
                full += served
    return full


@shared_task(expires=3600)
def prune_outbox(**kwargs: Any) -> None:
    """Delete rows that were done more than OUTBOX_DAYS ago."""
    for database in PRIMARIES:
        while rows.prune(database=database):
            pass


@beat_init.connect
def export_backlog(**kwargs: Any) -> None:
    """Beat measures the backlog itself: when all workers are dead, no task runs."""
    backlog.start_exporting()
