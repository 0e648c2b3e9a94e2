"""The admin of the outboxes, one in each database."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_permission_codename
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from core.admin_actions import staff_action
from core.admin_classes import ReadOnlyAdmin
from core.outbox.models import CommentsOutboxEvent, OutboxEvent, PostsOutboxEvent
from core.outbox.subscriptions import event_names, queue_of
from core.outbox.tasks import wake


class PendingFilter(admin.SimpleListFilter):
    """Rows by state."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("pending", "pending"), ("overdue", "overdue"), ("done", "done")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[OutboxEvent]
    ) -> QuerySet[OutboxEvent]:
        conditions: dict[str | None, dict[str, Any]] = {
            "pending": {"done_at__isnull": True},
            "overdue": {"done_at__isnull": True, "wake_at__lt": Now()},
            "done": {"done_at__isnull": False},
        }
        return queryset.filter(**conditions.get(self.value(), {}))


class KindFilter(admin.SimpleListFilter):
    """Rows of one event. The names come from the subscriptions, not from the table."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name.replace("_", " ")) for name in event_names()]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[OutboxEvent]
    ) -> QuerySet[OutboxEvent]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class OutboxAdmin(ReadOnlyAdmin[OutboxEvent]):
    """Show what is being delivered, what fails and why; wake it."""

    database = "default"
    list_display = [
        "id",
        "kind",
        "subscriber",
        "payload",
        "attempts",
        "cursor",
        "created_at",
        "done_at",
    ]
    list_filter = [PendingFilter, KindFilter, "created_at"]
    id_fields = ["pk", "payload__post_id", "payload__author_id"]
    search_fields = ["kind", "subscriber"]
    actions = ["wake_now"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutboxEvent]:
        return super().get_queryset(request).using(self.database)

    @staff_action(
        description="Wake the selected deliveries now", done="woken", permissions=["wake"]
    )
    def wake_now(
        self, request: HttpRequest, events: Sequence[OutboxEvent], reason: str
    ) -> Sequence[OutboxEvent]:
        for event in events:
            queue = queue_of(kind=event.kind, subscriber=event.subscriber)
            wake(database=self.database, event_id=event.pk, queue=queue)
        return events

    def has_wake_permission(self, request: HttpRequest) -> bool:
        """Whether staff may wake deliveries: Django's permission to change the rows."""
        permission = get_permission_codename("change", self.opts)
        return request.user.has_perm(f"{self.opts.app_label}.{permission}")


admin.site.register(OutboxEvent, OutboxAdmin)
admin.site.register(PostsOutboxEvent, OutboxAdmin, database="posts")
admin.site.register(CommentsOutboxEvent, OutboxAdmin, database="comments")
