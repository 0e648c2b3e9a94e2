"""How much is still to be delivered, and for how long the oldest post has waited.

The age of the oldest undelivered post is the signal to scale workers on. It is measured in SQL,
because the outbox is the truth. The beat process itself exports it, because no task runs when all
workers are dead. One database down: its metrics keep their values (if it is `posts`, the timestamp
stops too), and the others are measured. STATE down: the measurement is lost. Each failure is
logged, and the next round tries again.
"""

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

from core.beat import wait_to_lead
from core.metrics.shared import sample, set_gauges
from core.outbox.models import OutboxEvent
from core.outbox.subscriptions import event_names
from core.sql import PRIMARIES, deadlines

logger = logging.getLogger(__name__)
# It counts no more rows of a database, so it does not read a backlog of millions each time.
COUNTED_AT_MOST = 100_000
# A database that does not answer within this time is left out.
SECONDS_TO_MEASURE = 5.0
# The events whose age shows whether there are enough workers, and media workers; their database.
_POSTS, POST_PUBLISHED, UPLOAD_SENT = "posts", "post_published", "upload_sent"


@dataclass(frozen=True)
class Backlog:
    """The pending rows of one database, at most COUNTED_AT_MOST of them."""

    pending: Mapping[str, int]  # by kind; all kinds
    overdue: int  # those of them that were not delivered in time


def measure_backlog(*, database: str) -> Backlog:
    """Count the pending rows; one query, from their index."""
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
    return Backlog(pending, overdue)


def oldest_age(*, kind: str) -> float:
    """For how many seconds the oldest undelivered event of a kind, of the posts database, has
    waited; 0 when there is none.
    """
    age = ExpressionWrapper(Now() - F("created_at"), output_field=DurationField())
    rows = OutboxEvent.objects.using(_POSTS).filter(done_at__isnull=True, kind=kind)
    waited = rows.order_by("pk").annotate(age=age).values_list("age", flat=True).first()
    return max(waited or timedelta(), timedelta()).total_seconds()


def export_backlog() -> None:
    """Measure once, and store the metrics of the databases that answer."""
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
        figures["socialfeed_outbox_oldest_post_age_seconds"] = oldest_age(kind=POST_PUBLISHED)
        figures["socialfeed_outbox_oldest_upload_age_seconds"] = oldest_age(kind=UPLOAD_SENT)
        figures["socialfeed_outbox_timestamp_seconds"] = time.time()
    backlog = measure_backlog(database=database)
    for kind, count in backlog.pending.items():
        figures[sample("socialfeed_outbox_pending", database, kind)] = count
    figures[sample("socialfeed_outbox_overdue", database)] = backlog.overdue
    return figures


def start_exporting() -> None:
    """Export every OUTBOX_EXPORT_SECONDS, in a thread that ends with the process.

    Of several beats, the one that leads does it.
    """
    threading.Thread(target=_export_for_ever, name="export-backlog", daemon=True).start()


def _export_for_ever() -> None:
    while True:
        wait_to_lead()
        try:
            close_old_connections()  # as before a request: replaces dead connections
            export_backlog()
        except Exception:  # the next round may succeed; nothing restarts this thread
            logger.exception("the outbox was not measured")
        time.sleep(settings.OUTBOX_EXPORT_SECONDS)
