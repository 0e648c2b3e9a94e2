"""The life of an outbox row: recorded, leased, advanced, done; or woken again.

The row is the truth and Celery only a wake-up, so a lost message, a killed worker or a frozen one
costs time and nothing else. All times are the database's own. A delivery that has lost its lease
finds out at its next `save_cursor`, and the one who took over begins at the last saved cursor.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connections, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from core.ids import ids_within
from fanout.models import OutboxEvent

# The request's own wake-up goes first; the sweeper comes after it.
FIRST_WAKE = timedelta(seconds=3)
MAX_BACKOFF_SECONDS = 300
ERROR_LENGTH = 2000
# By the ids' times, a row is written after the post that it tells of, in the same transaction:
# later by as long as a request may take; earlier only within a millisecond, in which the sequence
# may begin anew, or when the clock was set back.
_BEFORE_THE_ROW = timedelta(seconds=1)
_AFTER_THE_POST = timedelta(seconds=30)


# By hand: each write and each delivery makes them, and the ORM would take longer over them than
# over the rest.
_RECORD_SQL = """
INSERT INTO fanout_outboxevent (kind, payload, cursor, attempts, last_error, wake_at)
VALUES (%s, %s, 0, 0, '', statement_timestamp() + %s * interval '1 second')
RETURNING id
"""
# A lease, or that a row is done, may be forgotten when PostgreSQL crashes: then it is delivered
# once more, which changes nothing. So these commits, of a statement each, do not wait for the disk.
_UNHURRIED = "AND (SELECT set_config('synchronous_commit', 'off', TRUE)) = 'off'"
_UNTIL = "statement_timestamp() + %(seconds)s * interval '1 second'"
_TAKE_SQL = f"""
UPDATE fanout_outboxevent
SET lease_token = %(token)s, lease_until = {_UNTIL}, wake_at = {_UNTIL}, attempts = attempts + 1
WHERE id = %(id)s AND done_at IS NULL
    AND (lease_until IS NULL OR lease_until < statement_timestamp()) {_UNHURRIED}
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
    """The right to deliver one row, until it lapses."""

    database: str
    token: uuid.UUID
    event: OutboxEvent


def record(
    *,
    database: str,
    kind: OutboxEvent.Kind,
    payload: dict[str, Any],
    wake_after: timedelta = FIRST_WAKE,
) -> int:
    """Write a row in the caller's transaction on `database`; returns its id."""
    with connections[database].cursor() as cursor:
        cursor.execute(_RECORD_SQL, [kind.value, json.dumps(payload), wake_after.total_seconds()])
        return int(cursor.fetchone()[0])


def take_lease(*, database: str, event_id: int) -> Lease | None:
    """Take the right to deliver a row; None when it is done, gone, or somebody else's for now."""
    token = uuid.uuid4()
    seconds = settings.FANOUT_LEASE_SECONDS
    parameters = {"token": token, "id": event_id, "seconds": seconds}
    rows = OutboxEvent.objects.using(database).raw(_TAKE_SQL, parameters)
    event = next(iter(rows), None)
    return None if event is None else Lease(database, token, event)


def save_cursor(lease: Lease, *, cursor: int) -> bool:
    """Save how far the delivery has come and renew the lease; False when it has been lost."""
    seconds = settings.FANOUT_LEASE_SECONDS
    return _update(lease, _SAVE_SQL, cursor=cursor, seconds=seconds)


def mark_done(lease: Lease) -> bool:
    """End the row's life; False when the lease has been lost."""
    return _update(lease, _DONE_SQL)


def _update(lease: Lease, sql: str, **numbers: int) -> bool:
    """Change the row, as long as nobody has taken it over; returns whether that is so."""
    parameters: dict[str, int | str] = {"id": lease.event.pk, "token": str(lease.token), **numbers}
    with connections[lease.database].cursor() as cursor:
        cursor.execute(sql, parameters)
        return bool(cursor.rowcount)


def give_back(lease: Lease, *, cursor: int, error: BaseException) -> None:
    """After a failure: note it, and let the sweeper try again from there, later each time."""
    seconds = min(2**lease.event.attempts, MAX_BACKOFF_SECONDS)
    _mine(lease).update(
        cursor=cursor,
        lease_until=None,
        wake_at=Now() + timedelta(seconds=seconds),
        last_error=repr(error)[:ERROR_LENGTH],
    )


def _mine(lease: Lease) -> Any:
    """The leased row, as long as nobody has taken it over."""
    rows = OutboxEvent.objects.using(lease.database)
    return rows.filter(pk=lease.event.pk, lease_token=lease.token, done_at__isnull=True)


def _lease() -> timedelta:
    return timedelta(seconds=settings.FANOUT_LEASE_SECONDS)


def claim_overdue(*, database: str, limit: int) -> Sequence[int]:
    """Ids of rows that nobody has delivered in time, oldest first, each put off for one lease.

    Sweepers that run at once share the rows out (`SKIP LOCKED`).
    """
    rows = OutboxEvent.objects.using(database)
    with transaction.atomic(using=database):
        overdue = rows.filter(done_at__isnull=True, wake_at__lt=Now())
        ids = list(
            overdue.order_by("wake_at")
            .select_for_update(skip_locked=True)
            .values_list("pk", flat=True)[:limit]
        )
        rows.filter(pk__in=ids).update(wake_at=Now() + _lease())
    return ids


def oldest_undone() -> int | None:
    """The least id of the posts' rows that are still to be delivered; None when all are.

    Only posts count: a removal waits for the object store, for hours if need be.
    """
    rows = OutboxEvent.objects.using("posts").filter(
        done_at__isnull=True, kind=OutboxEvent.Kind.POST_PUBLISHED
    )
    return rows.order_by("pk").values_list("pk", flat=True).first()


def pending_posts(*, database: str, post_ids: Collection[int]) -> set[int]:
    """Those posts that a row is about which is still to be delivered; from the index of these."""
    rows = OutboxEvent.objects.using(database).filter(done_at__isnull=True)
    found = rows.filter(payload__post_id__in=list(post_ids)).values_list("payload", flat=True)
    return {payload["post_id"] for payload in found}


def prune(*, database: str, limit: int = 10_000) -> int:
    """Delete up to `limit` rows done more than FANOUT_OUTBOX_DAYS ago; returns how many."""
    rows = OutboxEvent.objects.using(database)
    old = rows.filter(done_at__lt=Now() - timedelta(days=settings.FANOUT_OUTBOX_DAYS))
    deleted, _ = rows.filter(pk__in=old.values("pk")[:limit]).delete()
    return deleted


def publications(*, post_id: int) -> QuerySet[OutboxEvent]:
    """The row that announced a post; none once it is pruned, or when the post was imported.

    No index is on the payload, in a table that may hold millions. None is needed: ids are in time
    order, so the row's is right after the post's, and the primary key finds it in a bounded range.
    """
    first, last = ids_within(post_id, before=_BEFORE_THE_ROW, after=_AFTER_THE_POST)
    return OutboxEvent.objects.using("posts").filter(
        pk__gte=first,
        pk__lte=last,
        kind=OutboxEvent.Kind.POST_PUBLISHED,
        payload__post_id=post_id,
    )


def pending_follow(*, follower_id: int, followee_id: int) -> OutboxEvent | None:
    """A change of this edge that is still to be delivered; from the index of what is pending."""
    return (
        OutboxEvent.objects.using("default")
        .filter(
            done_at__isnull=True,
            kind=OutboxEvent.Kind.FOLLOW_CHANGED,
            payload={"follower_id": follower_id, "followee_id": followee_id},
        )
        .first()
    )
