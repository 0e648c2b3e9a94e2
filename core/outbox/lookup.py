"""Find outbox rows, for checks and for staff.

Only pending rows are indexed, so each function reads the pending rows or a short range of ids.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Any, TypeVar

from django.db.models import QuerySet

from core.ids import ids_within
from core.outbox.models import OutboxEvent

Subject = TypeVar("Subject", int, str)

# A row is written after its subject, in the same transaction. So the time in its id is later, by up
# to the length of a request. It is earlier only within a millisecond, in which the sequence may
# begin again, or when the clock was set back.
_BEFORE_THE_ROW = timedelta(seconds=1)
_AFTER_THE_SUBJECT = timedelta(seconds=30)


def oldest_pending_id(*, database: str, kind: str, subscriber: str) -> int | None:
    """The least id of an event's rows that are pending for this subscriber, or None."""
    pending = OutboxEvent.objects.using(database).filter(
        done_at__isnull=True, kind=kind, subscriber__in=(subscriber, "")
    )
    return pending.order_by("pk").values_list("pk", flat=True).first()


def pending_subjects(*, database: str, field: str, ids: Collection[Subject]) -> set[Subject]:
    """Those of some ids or names that a pending row, of any event, has in this field of its
    payload.
    """
    rows = OutboxEvent.objects.using(database).filter(done_at__isnull=True)
    payloads = rows.filter(**{f"payload__{field}__in": list(ids)}).values_list("payload", flat=True)
    return {payload[field] for payload in payloads}


def pending_event(*, database: str, kind: str, payload: dict[str, Any]) -> OutboxEvent | None:
    """A pending row of an event with exactly this payload, or None."""
    rows = OutboxEvent.objects.using(database)
    return rows.filter(done_at__isnull=True, kind=kind, payload=payload).first()


def pending_of_request(*, database: str, tag: int, limit: int) -> list[OutboxEvent]:
    """Up to `limit` pending rows that requests with this tag have announced, the oldest first."""
    rows = OutboxEvent.objects.using(database).filter(done_at__isnull=True, request_tag=tag)
    return list(rows.order_by("pk")[:limit])


def rows_beside(
    *, database: str, kind: str, subject_id: int, subscriber: str, **payload: int
) -> QuerySet[OutboxEvent]:
    """The rows of the transaction that inserted a subject, by their payload; empty if pruned.

    Ids are in time order, so it reads only a short range of them after the subject's.
    """
    first, last = ids_within(subject_id, before=_BEFORE_THE_ROW, after=_AFTER_THE_SUBJECT)
    fields = {f"payload__{name}": value for name, value in payload.items()}
    return OutboxEvent.objects.using(database).filter(
        pk__gte=first, pk__lte=last, kind=kind, subscriber__in=(subscriber, ""), **fields
    )
