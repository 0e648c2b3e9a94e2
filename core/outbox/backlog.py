"""How much is still to be delivered, and for how long the oldest post has waited.

The age of the oldest undelivered post is the signal to scale workers on. It is measured in SQL,
because the outbox is the truth, and exported by the beat process itself, because with all workers
dead no task runs. One database down: its figures stay as they are, and only a time that stands
still says so; the others are measured all the same. STATE down: what was measured is lost. All of
it is logged, and tried again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import Error, close_old_connections
from django.db.models import Count, DurationField, ExpressionWrapper, F, Q
from django.db.models.functions import Now

from core.metrics.shared import sample, set_gauges
from core.outbox.models import OutboxEvent
from core.outbox.subscriptions import event_names
from core.sql import PRIMARIES, deadlines

logger = logging.getLogger(__name__)
# No more rows of a database are counted, so that a backlog of millions is not read all the time.
COUNTED_AT_MOST = 100_000
# A database that does not answer for so long is left out.
SECONDS_TO_MEASURE = 5.0
# The event whose age says whether there are enough workers, and the database of its rows.
_POSTS, _POST_PUBLISHED = "posts", "post_published"


@dataclass(frozen=True)
class Backlog:
    """What is pending in one database, at most COUNTED_AT_MOST rows of it."""

    database: str
    pending: Mapping[str, int]  # by kind; all kinds
    overdue: int  # of these, what nobody has delivered in time


def measure_backlog(*, database: str) -> Backlog:
    """Count the rows that are still to be delivered; one query, from the index of these."""
    rows = OutboxEvent.objects.using(database)
    some = rows.filter(done_at__isnull=True).values("pk")[:COUNTED_AT_MOST]
    counted = (
        rows.filter(pk__in=some)
        .values_list("kind")
        .annotate(Count("pk"), overdue=Count("pk", filter=Q(wake_at__lt=Now())))
    )
    pending = dict.fromkeys(event_names(), 0)
    overdue = 0
    for kind, count, late in counted:
        pending[kind] = count
        overdue += late
    return Backlog(database, pending, overdue)


def oldest_post_age() -> float:
    """For how many seconds the oldest undelivered post has waited; 0 when there is none."""
    age = ExpressionWrapper(Now() - F("created_at"), output_field=DurationField())
    rows = OutboxEvent.objects.using(_POSTS).filter(done_at__isnull=True, kind=_POST_PUBLISHED)
    waited = rows.order_by("pk").annotate(age=age).values_list("age", flat=True).first()
    return max(waited or timedelta(), timedelta()).total_seconds()


def export_backlog() -> None:
    """Measure once, and store the gauges of whatever answers."""
    values: dict[str, float] = {}
    for database in PRIMARIES:
        try:
            with deadlines.deadline(SECONDS_TO_MEASURE):
                values |= _figures(database)
        except Error:
            logger.exception("the outbox of %s cannot be measured", database)
    set_gauges(values=values)


def _figures(database: str) -> dict[str, float]:
    figures: dict[str, float] = {}
    if database == _POSTS:
        figures["socialfeed_outbox_oldest_post_age_seconds"] = oldest_post_age()
        figures["socialfeed_outbox_timestamp_seconds"] = time.time()
    backlog = measure_backlog(database=database)
    for kind, count in backlog.pending.items():
        figures[sample("socialfeed_outbox_pending", database, kind)] = count
    figures[sample("socialfeed_outbox_overdue", database)] = backlog.overdue
    return figures


def start_exporting() -> None:
    """Export every OUTBOX_EXPORT_SECONDS from now on, in a thread that ends with the process."""
    threading.Thread(target=_export_for_ever, name="export-backlog", daemon=True).start()


def _export_for_ever() -> None:
    while True:
        try:
            # As at the beginning of a request: a connection that is dead is made anew.
            close_old_connections()
            export_backlog()
        except Exception:  # whatever it is, the next time may go well; nobody else would start it
            logger.exception("the outbox was not measured")
        time.sleep(settings.OUTBOX_EXPORT_SECONDS)
