"""The rows of idempotency keys, each in the database that its request wrote to."""

from datetime import timedelta
from hashlib import blake2b
from typing import Any

from django.db import connections, models
from django.db.models.functions import Now

from core.http.problems import Conflict
from core.ids import TimeOrderedModel
from core.sql import PRIMARIES

MAX_LENGTH = 255
LIFE = timedelta(hours=24)


class IdempotencyKey(TimeOrderedModel):
    """A request that was done, and its answer. Before it is stored: a request that has a key."""

    caller_id = models.BigIntegerField()
    key = models.CharField(max_length=MAX_LENGTH)
    route = models.TextField(help_text="The path.")
    body_hash = models.CharField(max_length=64, help_text="SHA-256, in hexadecimal.")
    status = models.PositiveSmallIntegerField()
    body = models.BinaryField(help_text="Of the answer: JSON.")
    location = models.CharField(
        max_length=200, blank=True, db_default="", help_text="Of what was made."
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        app_label = "core"
        db_table = "socialfeed_idempotencykey"
        constraints = [
            models.UniqueConstraint(fields=["caller_id", "key"], name="idempotency_key_of_caller")
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotency_key_by_time")]

    def __str__(self) -> str:
        return f"{self.key} of {self.caller_id}"


class KeyInFlight(Conflict):
    """409: another request with the same key is being answered."""

    code = "idempotency_in_flight"
    wait = 1  # seconds, for Retry-After


def lock_key(database: str, request: IdempotencyKey) -> None:
    """Lock a request's key until the transaction ends, or raise `KeyInFlight` without waiting."""
    text = f"{request.caller_id} {request.key}".encode()
    digest = blake2b(text, digest_size=8, person=b"idem-key").digest()
    with connections[database].cursor() as cursor:
        number = int.from_bytes(digest, signed=True)
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        if cursor.fetchone() != (True,):
            raise KeyInFlight(
                "The first request with this Idempotency-Key is still being answered. "
                "Send it again in a second, unchanged, for its answer."
            )


def stored_key(database: str, request: IdempotencyKey) -> IdempotencyKey | None:
    """The row of a request's caller and key, if it has not expired."""
    rows = IdempotencyKey.objects.using(database)
    return rows.filter(
        caller_id=request.caller_id, key=request.key, created_at__gt=Now() - LIFE
    ).first()


def store_key(database: str, request: IdempotencyKey) -> None:
    """Store a request with its answer, in place of any row of the same caller and key.

    Call it under `lock_key`, after `stored_key` has found no row that is alive.
    """
    IdempotencyKey.objects.using(database).bulk_create(
        [request],
        update_conflicts=True,
        unique_fields=["caller_id", "key"],
        update_fields=["route", "body_hash", "status", "body", "location", "created_at"],
    )


def remove_keys_of(*, user_id: int, limit: int) -> int:
    """Remove up to `limit` keys of a deleted account from each database; returns how many.

    Call it until it returns 0.
    """
    return sum(_delete(database, limit, caller_id=user_id) for database in PRIMARIES)


def prune(*, database: str, limit: int = 10_000) -> int:
    """Delete up to `limit` keys that have expired; returns how many."""
    return _delete(database, limit, created_at__lte=Now() - LIFE)


def _delete(database: str, limit: int, **which: Any) -> int:
    rows = IdempotencyKey.objects.using(database)
    return rows.filter(pk__in=rows.filter(**which).values("pk")[:limit]).delete()[0]
