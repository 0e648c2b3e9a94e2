"""The life of an outbox row: recorded, leased, advanced, done; or woken again.

The row is the truth and Celery only a wake-up, so a lost message, a killed worker or a frozen one
costs only time. All times are the database's own. A delivery that has lost its lease learns it at
its next `save_cursor`; its successor begins at the last saved cursor.
"""

import json
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connections, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from core.outbox.models import OutboxEvent

# The request itself wakes a worker; the sweeper follows after this time.
FIRST_WAKE = timedelta(seconds=3)
MAX_BACKOFF_SECONDS = 300
ERROR_LENGTH = 2000

# Plain SQL: each write and each delivery runs these, and the ORM costs more than the statement.
_RECORD_SQL = """
INSERT INTO fanout_outboxevent
    (kind, subscriber, payload, cursor, attempts, last_error, wake_at, request_tag)
VALUES (%s, %s, %s, 0, 0, '', statement_timestamp() + %s * interval '1 second', %s)
RETURNING id
"""
# If PostgreSQL crashes it may lose a lease, or that a row is done. The row is then delivered again,
# which does no harm. So these commits, of one statement each, do not wait for the disk.
_UNHURRIED = "AND (SELECT set_config('synchronous_commit', 'off', TRUE)) = 'off'"
_UNTIL = "statement_timestamp() + %(seconds)s * interval '1 second'"
_TAKE_SQL = f"""
UPDATE fanout_outboxevent
SET lease_token = %(token)s, lease_until = {_UNTIL}, wake_at = {_UNTIL}, attempts = attempts + 1
WHERE id = %(id)s AND done_at IS NULL
    AND (%(takes_over)s OR lease_until IS NULL OR lease_until < statement_timestamp())
    {_UNHURRIED}
RETURNING *
"""  # noqa: S608  (constants)
_MINE = "WHERE id = %(id)s AND lease_token = %(token)s::uuid AND done_at IS NULL"
_SAVE_SQL = f"""
UPDATE fanout_outboxevent
SET cursor = %(cursor)s, lease_until = {_UNTIL}, wake_at = {_UNTIL} {_MINE}
"""  # noqa: S608  (constants)
_DONE_SQL = f"""
UPDATE fanout_outboxevent
SET done_at = statement_timestamp(), lease_until = NULL, last_error = '' {_MINE} {_UNHURRIED}
"""  # noqa: S608  (constants)


@dataclass(frozen=True)
class Lease:
    """The right to deliver one row, until it lapses: `seconds` after it was taken or extended."""

    database: str
    token: uuid.UUID
    event: OutboxEvent
    seconds: float


def record(
    *,
    database: str,
    kind: str,
    subscriber: str,
    payload: Mapping[str, Any],
    wake_after: timedelta = FIRST_WAKE,
    request_tag: int | None = None,
) -> int:
    """Write a row in the caller's transaction on `database`; returns its id."""
    text, seconds = json.dumps(payload), wake_after.total_seconds()
    with connections[database].cursor() as cursor:
        cursor.execute(_RECORD_SQL, [kind, subscriber, text, seconds, request_tag])
        return int(cursor.fetchone()[0])


def take_lease(*, database: str, event_id: int) -> Lease | None:
    """Take the right to deliver a row; None if it is done, gone, or leased by another process."""
    seconds = settings.OUTBOX_LEASE_SECONDS
    return _take(database, event_id, seconds=seconds, takes_over=False)


def take_over_lease(*, database: str, event_id: int) -> Lease | None:
    """The same for a request, whoever has the lease; None if the row is done or gone.

    It lapses soon: if the request dies, others see its write once the sweeper has delivered it.
    """
    seconds = FIRST_WAKE.total_seconds()
    return _take(database, event_id, seconds=seconds, takes_over=True)


def _take(database: str, event_id: int, *, seconds: float, takes_over: bool) -> Lease | None:
    token = uuid.uuid4()
    parameters = {"token": token, "id": event_id, "seconds": seconds, "takes_over": takes_over}
    rows = OutboxEvent.objects.using(database).raw(_TAKE_SQL, parameters)
    event = next(iter(rows), None)
    return None if event is None else Lease(database, token, event, seconds)


def save_cursor(lease: Lease, *, cursor: int) -> bool:
    """Save how far the delivery has come, and extend the lease; False if the lease is lost."""
    return _update(lease, _SAVE_SQL, cursor=cursor, seconds=lease.seconds)


def mark_done(lease: Lease) -> bool:
    """Mark the row done; False if the lease is lost."""
    return _update(lease, _DONE_SQL)


def _update(lease: Lease, sql: str, **numbers: float) -> bool:
    """Change the row if this delivery still has the lease; returns whether it has."""
    parameters: dict[str, float | str] = {
        "id": lease.event.pk,
        "token": str(lease.token),
        **numbers,
    }
    with connections[lease.database].cursor() as cursor:
        cursor.execute(sql, parameters)
        return bool(cursor.rowcount)


def give_back(
    lease: Lease, *, cursor: int, error: BaseException, at_most: int = MAX_BACKOFF_SECONDS
) -> None:
    """Record a failure. The sweeper tries again from `cursor`, each time after a longer pause, up
    to `at_most` seconds.
    """
    seconds = min(2**lease.event.attempts, at_most)
    _mine(lease).update(
        cursor=cursor,
        lease_until=None,
        wake_at=Now() + timedelta(seconds=seconds),
        last_error=repr(error)[:ERROR_LENGTH],
    )


def assign(lease: Lease, *, subscriber: str) -> None:
    """Set the subscriber of a leased row that has none."""
    _mine(lease).update(subscriber=subscriber)


def _mine(lease: Lease) -> QuerySet[OutboxEvent]:
    """The leased row, if this delivery still has the lease."""
    rows = OutboxEvent.objects.using(lease.database)
    return rows.filter(pk=lease.event.pk, lease_token=lease.token, done_at__isnull=True)


class Overdue(NamedTuple):
    """A row that should have been delivered by now."""

    id: int
    kind: str
    subscriber: str


def claim_overdue(
    *, database: str, limit: int, leaving: Collection[tuple[str, str]] = ()
) -> list[Overdue]:
    """Claim overdue rows for a lease's length; returns them, oldest first (SKIP LOCKED).

    `leaving`: events and their subscribers whose rows are left.
    """
    again_at = Now() + timedelta(seconds=settings.OUTBOX_LEASE_SECONDS)
    rows = OutboxEvent.objects.using(database)
    with transaction.atomic(using=database):
        overdue = rows.filter(done_at__isnull=True, wake_at__lt=Now())
        for kind, subscriber in leaving:
            overdue = overdue.exclude(kind=kind, subscriber=subscriber)
        oldest = overdue.order_by("wake_at").select_for_update(skip_locked=True)
        claimed = [Overdue(*row) for row in oldest.values_list("pk", "kind", "subscriber")[:limit]]
        rows.filter(pk__in=[row.id for row in claimed]).update(wake_at=again_at)
    return claimed


def unclaim(*, database: str, event_ids: Collection[int]) -> None:
    """Let the next sweep claim rows again for which no worker was woken."""
    rows = OutboxEvent.objects.using(database).filter(done_at__isnull=True)
    rows.filter(pk__in=event_ids).update(wake_at=Now())


def prune(*, database: str, limit: int = 10_000) -> int:
    """Delete up to `limit` rows done more than OUTBOX_DAYS ago; returns how many."""
    rows = OutboxEvent.objects.using(database)
    old = rows.filter(done_at__lt=Now() - timedelta(days=settings.OUTBOX_DAYS))
    deleted, _ = rows.filter(pk__in=old.values("pk")[:limit]).delete()
    return deleted
