"""The outbox table, one in each database. A row commits with the change that it announces."""

from django.db import models
from django.db.models.functions import Now

from core.ids import TimeOrderedModel


class OutboxEvent(TimeOrderedModel):
    """One announcement of an event to one subscriber, to be delivered at least once.

    `cursor`: how far the delivery has come. `lease_token`, `lease_until`: which process delivers it
    now. While `done_at` is null, the sweeper wakes it from `wake_at` on. `subscriber`: an app's
    name; empty in rows of a release that had one subscriber per event. `request_tag`: see
    `core.outbox.repetitions`.
    """

    kind = models.CharField(max_length=32)
    subscriber = models.CharField(max_length=32, blank=True, db_default="")
    payload = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())
    cursor = models.BigIntegerField(default=0)
    attempts = models.IntegerField(default=0)
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    wake_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    last_error = models.TextField(default="", blank=True)
    request_tag = models.BigIntegerField(null=True, editable=False)

    class Meta:
        app_label = "core"
        # The name dates from when Fan-out was the only subscriber. Renaming the table would break
        # the requests of instances of the release before, during a rolling deploy.
        db_table = "fanout_outboxevent"
        indexes = [
            models.Index(
                fields=["wake_at"], name="outbox_pending", condition=models.Q(done_at__isnull=True)
            ),
            models.Index(
                fields=["id"], name="outbox_oldest", condition=models.Q(done_at__isnull=True)
            ),
            models.Index(
                fields=["request_tag"],
                name="outbox_of_request",
                condition=models.Q(done_at__isnull=True, request_tag__isnull=False),
            ),
            models.Index(
                fields=["done_at"], name="outbox_done", condition=models.Q(done_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.payload} for {self.subscriber}"


class PostsOutboxEvent(OutboxEvent):
    """The outbox of the posts database: a class of its own for the admin."""

    class Meta:
        app_label = "core"
        proxy = True
        verbose_name = "outbox event (posts)"
        verbose_name_plural = "outbox events (posts)"


class CommentsOutboxEvent(OutboxEvent):
    """The outbox of the comments database: a class of its own for the admin."""

    class Meta:
        app_label = "core"
        proxy = True
        verbose_name = "outbox event (comments)"
        verbose_name_plural = "outbox events (comments)"
