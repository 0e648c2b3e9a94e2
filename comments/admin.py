"""Staff's view of comments."""

from __future__ import annotations

from django.contrib import admin

from comments.models import Comment
from socialfeed.common.admin import IdSearchAdmin


@admin.register(Comment)
class CommentAdmin(IdSearchAdmin[Comment]):
    """Find comments by id, post, author or text."""

    list_display = ["id", "post_id", "author_id", "text", "created_at"]
    list_filter = ["created_at"]
    id_fields = ["pk", "post_id", "author_id"]
    search_fields = ["text"]
    raw_id_fields = ["reply_to"]
    readonly_fields = ["id", "created_at", "edited_at"]
    ordering = ["-id"]
