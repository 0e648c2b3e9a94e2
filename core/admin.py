"""The admin pages for idempotency keys (what a POST made, and when), and for staff's own log."""

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest

from core.admin_classes import ReadOnlyAdmin
from core.models import CommentsIdempotencyKey, IdempotencyKey, PostsIdempotencyKey
from core.outbox import admin as outbox_admin

__all__ = ["outbox_admin"]  # which registers its own pages


class KeyAdmin(ReadOnlyAdmin[IdempotencyKey]):
    """The request of a key and its answer, in one database. Keys live for a day."""

    database: str
    list_display = ["id", "caller_id", "key", "route", "status", "created_at"]
    fields = ["caller_id", "key", "route", "body_hash", "status", "answer", "created_at"]
    readonly_fields = ["answer"]
    id_fields = ["pk", "caller_id"]
    search_fields = ["=key"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[IdempotencyKey]:
        return super().get_queryset(request).using(self.database).defer("body")

    @admin.display
    def answer(self, key: IdempotencyKey) -> str:
        return bytes(key.body).decode()


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin[LogEntry]):
    """What staff have changed: who, which row, when and why."""

    list_display = ["action_time", "user", "action", "content_type", "object_repr", "message"]
    list_select_related = ["user", "content_type"]
    list_filter = ["action_flag", "action_time"]
    fields = ["action_time", "user", "content_type", "object_id", "object_repr", "message"]
    readonly_fields = ["message"]
    id_fields = ["pk", "user_id", "object_id"]
    search_fields = ["=user__username"]

    @admin.display(ordering="action_flag")
    def action(self, entry: LogEntry) -> str:
        return entry.get_action_flag_display()

    @admin.display
    def message(self, entry: LogEntry) -> str:
        return entry.get_change_message()


admin.site.register(PostsIdempotencyKey, KeyAdmin, database="posts")
admin.site.register(CommentsIdempotencyKey, KeyAdmin, database="comments")
