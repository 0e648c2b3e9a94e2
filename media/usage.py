"""What an account uses of its daily quota: bytes that it uploads, CPU time of decoders.

A day is one of UTC. A file counts whatever becomes of it, unless it was this service that failed.
Counts commit at once, beside the caller's transaction, which a refusal rolls back.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Greatest

from core.http.problems import Problem, TooLarge, TooManyRequests
from core.sql.transactions import beside_transaction
from media.decoder import Report
from media.models import MediaUsage

# Adds bytes unless that would exceed a quota. A quota of 0 is none.
_RESERVE_SQL = """
INSERT INTO media_mediausage (owner_id, day, byte_count, cpu_ms)
VALUES (%(owner_id)s, %(day)s, %(bytes)s, 0)
ON CONFLICT (owner_id, day) DO UPDATE
SET byte_count = media_mediausage.byte_count + EXCLUDED.byte_count
WHERE (%(max_bytes)s = 0 OR media_mediausage.byte_count + EXCLUDED.byte_count <= %(max_bytes)s)
    AND (%(max_cpu_ms)s = 0 OR media_mediausage.cpu_ms < %(max_cpu_ms)s)
RETURNING id
"""
# Fewer bytes than none are left where they were reserved before midnight.
_ADD_SQL = """
INSERT INTO media_mediausage (owner_id, day, byte_count, cpu_ms)
VALUES (%(owner_id)s, %(day)s, greatest(0, %(bytes)s), %(cpu_ms)s)
ON CONFLICT (owner_id, day) DO UPDATE
SET byte_count = greatest(0, media_mediausage.byte_count + %(bytes)s),
    cpu_ms = media_mediausage.cpu_ms + EXCLUDED.cpu_ms
"""


@dataclass(frozen=True)
class Usage:
    """What an account has used today, and when the next day begins."""

    byte_count: int
    cpu_seconds: float
    resets_at: datetime


@contextmanager
def reserved(*, owner_id: int, byte_size: int) -> Iterator[None]:
    """Count a file of an owner, unless the block fails through no fault of theirs. Raises the
    errors of `reserve_bytes`.
    """
    reserve_bytes(owner_id=owner_id, byte_size=byte_size)
    try:
        yield
    except Exception as error:
        if not isinstance(error, Problem) or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _add(owner_id=owner_id, byte_count=-byte_size)
        raise


def reserve_bytes(*, owner_id: int, byte_size: int, now: datetime | None = None) -> None:
    """Count a file of an owner. Raises `TooManyRequests` if a quota of the day is used up, and
    `TooLarge` if the file is larger than a whole quota.
    """
    now = now or datetime.now(UTC)
    row: dict[str, int | date] = {
        "owner_id": owner_id,
        "day": now.date(),
        "bytes": byte_size,
        "max_bytes": settings.MEDIA_DAILY_BYTES,
        "max_cpu_ms": 1000 * settings.MEDIA_DAILY_CPU_SECONDS,
    }
    if 0 < settings.MEDIA_DAILY_BYTES < byte_size:
        raise TooLarge(
            f"The file has {byte_size} bytes; an account may upload {settings.MEDIA_DAILY_BYTES} "
            "in a day.",
            field="byte_size",
        )
    with beside_transaction("posts") as cursor:
        cursor.execute(_RESERVE_SQL, row)
        if not cursor.fetchone():
            raise _used_up(now)


def refuse_without_cpu_time(*, owner_id: int, now: datetime | None = None) -> None:
    """Raise `TooManyRequests` if decoders have taken all that they may for an owner today."""
    now = now or datetime.now(UTC)
    most = settings.MEDIA_DAILY_CPU_SECONDS
    if most and usage_of(owner_id=owner_id, now=now).cpu_seconds >= most:
        raise _used_up(now)


def _used_up(now: datetime) -> TooManyRequests:
    return TooManyRequests(
        "Your uploads have used up what they may take in a day, in bytes or in time to process "
        "them. GET /api/v1/users/me/usage tells both. Try again tomorrow (UTC).",
        wait=int((_next_day(now) - now).total_seconds()) + 1,
    )


def add_cpu_time(*, owner_id: int, seconds: float, now: datetime | None = None) -> None:
    """Count what a decoder has taken for a file of an owner."""
    _add(owner_id=owner_id, cpu_ms=round(1000 * seconds), now=now)


def _add(
    *, owner_id: int, byte_count: int = 0, cpu_ms: int = 0, now: datetime | None = None
) -> None:
    day = (now or datetime.now(UTC)).date()
    row: dict[str, int | date] = {
        "owner_id": owner_id,
        "day": day,
        "bytes": byte_count,
        "cpu_ms": cpu_ms,
    }
    with beside_transaction("posts") as cursor:
        cursor.execute(_ADD_SQL, row)


def cpu_counter(*, owner_id: int) -> Callable[[Report], None]:
    """What counts a decoder's work as an owner's."""

    def count(report: Report) -> None:
        add_cpu_time(owner_id=owner_id, seconds=report.cpu_seconds)

    return count


def usage_of(*, owner_id: int, now: datetime | None = None) -> Usage:
    """What an owner has used today; one query."""
    now = now or datetime.now(UTC)
    day = MediaUsage.objects.filter(owner_id=owner_id, day=now.date())
    byte_count, cpu_ms = day.values_list("byte_count", "cpu_ms").first() or (0, 0)
    return Usage(byte_count, cpu_ms / 1000, _next_day(now))


def most_usage(
    *, limit: int, owner_id: int | None = None, now: datetime | None = None
) -> dict[int, Usage]:
    """What those owners have used today who have used most of a quota, or one owner; by owner, the
    largest first. One query.
    """
    now = now or datetime.now(UTC)
    rows = MediaUsage.objects.filter(day=now.date())
    if owner_id is not None:
        rows = rows.filter(owner_id=owner_id)
    # Of each quota a share; of one that is off, just the amount.
    share = F("byte_count") / float(settings.MEDIA_DAILY_BYTES or 1)
    other = F("cpu_ms") / (1000.0 * (settings.MEDIA_DAILY_CPU_SECONDS or 1))
    largest = rows.order_by(Greatest(share, other).desc(), "owner_id")
    found = largest.values_list("owner_id", "byte_count", "cpu_ms")[:limit]
    return {id_: Usage(count, cpu_ms / 1000, _next_day(now)) for id_, count, cpu_ms in found}


def forget_old_usage(*, limit: int, now: datetime | None = None) -> int:
    """Delete up to `limit` rows of days before yesterday, also those of deleted accounts; returns
    how many.
    """
    now = now or datetime.now(UTC)
    old = MediaUsage.objects.filter(day__lt=now.date() - timedelta(days=1)).values("pk")[:limit]
    deleted, _ = MediaUsage.objects.filter(pk__in=old).delete()
    return deleted


def _next_day(now: datetime) -> datetime:
    return datetime.combine(now.date() + timedelta(days=1), time(), UTC)
