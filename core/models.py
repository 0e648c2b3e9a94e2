"""The tables that every database has, defined where they are used."""

from core.counters import Counter, CounterChange
from core.http.idempotency_keys import IdempotencyKey
from core.outbox.models import CommentsOutboxEvent, OutboxEvent, PostsOutboxEvent

__all__ = [
    "CommentsIdempotencyKey",
    "CommentsOutboxEvent",
    "Counter",
    "CounterChange",
    "IdempotencyKey",
    "OutboxEvent",
    "PostsIdempotencyKey",
    "PostsOutboxEvent",
]


class PostsIdempotencyKey(IdempotencyKey):
    """The keys in the posts database, for the admin to tell apart."""

    class Meta:
        proxy = True
        verbose_name = "idempotency key (posts)"
        verbose_name_plural = "idempotency keys (posts)"


class CommentsIdempotencyKey(IdempotencyKey):
    """The keys in the comments database, for the admin to tell apart."""

    class Meta:
        proxy = True
        verbose_name = "idempotency key (comments)"
        verbose_name_plural = "idempotency keys (comments)"
