"""The life of an outbox row: recorded, leased, advanced, done; or woken again.

The row is the truth and Celery only a wake-up, so a lost message, a killed worker or a frozen one
costs time and nothing else. All times are the database's own. A delivery that has lost its lease
finds out at its next `save_cursor`, and the one who took over begins at the last saved cursor.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from fanout.models import OutboxEvent

# The request's own wake-up goes first; the sweeper comes after it.
FIRST_WAKE = timedelta(seconds=3)
MAX_BACKOFF_SECONDS = 300
ERROR_LENGTH = 2000


@dataclass(frozen=True)
class Lease:
    """The right to deliver one row, until it lapses."""

    database: str
    token: uuid.UUID
    event: OutboxEvent


def record(*, database: str, kind: OutboxEvent.Kind, payload: dict[str, Any]) -> int:
    """Write a row in the caller's transaction on `database`; returns its id."""
    row = OutboxEvent.objects.using(database).create(
        kind=kind, payload=payload, wake_at=Now() + FIRST_WAKE
    )
    return row.pk


def take_lease(*, database: str, event_id: int) -> Lease | None:
    """Take the right to deliver a row; None when it is done, gone, or somebody else's for now."""
    token = uuid.uuid4()
    rows = OutboxEvent.objects.using(database).filter(pk=event_id)
    taken = rows.filter(
        Q(lease_until__isnull=True) | Q(lease_until__lt=Now()), done_at__isnull=True
    ).update(
        lease_token=token,
        lease_until=Now() + _lease(),
        wake_at=Now() + _lease(),
        attempts=F("attempts") + 1,
    )
    return Lease(database, token, rows.get()) if taken else None


def save_cursor(lease: Lease, *, cursor: int) -> bool:
    """Save how far the delivery has come and renew the lease; False when it has been lost."""
    until = Now() + _lease()
    return bool(_mine(lease).update(cursor=cursor, lease_until=until, wake_at=until))


def mark_done(lease: Lease) -> bool:
    """End the row's life; False when the lease has been lost."""
    return bool(_mine(lease).update(done_at=Now(), lease_until=None, last_error=""))


def give_back(lease: Lease, *, error: BaseException) -> None:
    """After a failure: note it, and let the sweeper try again, later each time."""
    seconds = min(2**lease.event.attempts, MAX_BACKOFF_SECONDS)
    _mine(lease).update(
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


def prune(*, database: str, limit: int = 10_000) -> int:
    """Delete up to `limit` rows done more than FANOUT_OUTBOX_DAYS ago; returns how many."""
    rows = OutboxEvent.objects.using(database)
    old = rows.filter(done_at__lt=Now() - timedelta(days=settings.FANOUT_OUTBOX_DAYS))
    deleted, _ = rows.filter(pk__in=old.values("pk")[:limit]).delete()
    return deleted
