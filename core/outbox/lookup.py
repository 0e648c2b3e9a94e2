"""What has become of an announcement: reads of the outbox for checks and for staff.

Only pending rows are indexed, so each of these reads either the pending rows or a short range of
ids.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet

from core.ids import ids_within
from core.outbox.models import OutboxEvent

# By the times in their ids, a row is written after the subject that it tells of, in the same
# transaction: later by as long as a request may take; earlier only within a millisecond, in which
# the sequence may begin anew, or when the clock was set back.
_BEFORE_THE_ROW = timedelta(seconds=1)
_AFTER_THE_SUBJECT = timedelta(seconds=30)


def oldest_pending_id(*, database: str, kind: str, subscriber: str) -> int | None:
    """The least id of an event's rows that are pending for this subscriber; None: there is none."""
    pending = OutboxEvent.objects.using(database).filter(
        done_at__isnull=True, kind=kind, subscriber__in=(subscriber, "")
    )
    return pending.order_by("pk").values_list("pk", flat=True).first()


def pending_subjects(*, database: str, field: str, ids: Collection[int]) -> set[int]:
    """Those of some ids that a pending row of any event has in this member of its payload."""
    rows = OutboxEvent.objects.using(database).filter(done_at__isnull=True)
    payloads = rows.filter(**{f"payload__{field}__in": list(ids)}).values_list("payload", flat=True)
    return {payload[field] for payload in payloads}


def pending_event(*, database: str, kind: str, payload: dict[str, Any]) -> OutboxEvent | None:
    """A pending row of an event with exactly this payload."""
    rows = OutboxEvent.objects.using(database)
    return rows.filter(done_at__isnull=True, kind=kind, payload=payload).first()


def rows_beside(
    *, database: str, kind: str, subject_id: int, subscriber: str, **payload: int
) -> QuerySet[OutboxEvent]:
    """The rows written in the transaction that inserted a subject, with these payload members.

    None when the row has been pruned, or when nothing was announced. The payload has no index, and
    needs none: ids are in time order, so the row is right after its subject, and the primary key
    finds it in a short range.
    """
    first, last = ids_within(subject_id, before=_BEFORE_THE_ROW, after=_AFTER_THE_SUBJECT)
    members = {f"payload__{name}": value for name, value in payload.items()}
    return OutboxEvent.objects.using(database).filter(
        pk__gte=first, pk__lte=last, kind=kind, subscriber__in=(subscriber, ""), **members
    )
