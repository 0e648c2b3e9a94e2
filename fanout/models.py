"""The outbox: a table in each database that emits, so that a row commits with what it tells of."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from core.ids import TimeOrderedModel


class OutboxEvent(TimeOrderedModel):
    """Something that happened and has to be delivered, once at least.

    `cursor` is how far the delivery has come; `lease_until` and `lease_token` say who delivers
    it now; the sweeper wakes it again from `wake_at` on, as long as `done_at` is null.
    """

    class Kind(models.TextChoices):
        POST_PUBLISHED = "post_published"
        POST_EDITED = "post_edited"
        POST_DELETED = "post_deleted"
        COMMENTS_CHANGED = "comments_changed"
        COMMENTS_DELETED = "comments_deleted"
        FOLLOW_CHANGED = "follow_changed"
        USER_CHANGED = "user_changed"
        ACCOUNT_DELETED = "account_deleted"

    kind = models.CharField(max_length=32, choices=Kind)
    payload = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())
    cursor = models.BigIntegerField(default=0)
    attempts = models.IntegerField(default=0)
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    wake_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    last_error = models.TextField(default="", blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["wake_at"], name="outbox_pending", condition=models.Q(done_at__isnull=True)
            ),
            models.Index(
                fields=["id"], name="outbox_oldest", condition=models.Q(done_at__isnull=True)
            ),
            models.Index(
                fields=["done_at"], name="outbox_done", condition=models.Q(done_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.payload}"


class PostsOutboxEvent(OutboxEvent):
    """The outbox of the posts database, for the admin to tell apart."""

    class Meta:
        proxy = True
        verbose_name = "outbox event (posts)"
        verbose_name_plural = "outbox events (posts)"


class CommentsOutboxEvent(OutboxEvent):
    """The outbox of the comments database, for the admin to tell apart."""

    class Meta:
        proxy = True
        verbose_name = "outbox event (comments)"
        verbose_name_plural = "outbox events (comments)"
