"""Staff's view of comments."""

from __future__ import annotations

from django.contrib import admin

from comments.models import Comment


@admin.register(Comment)
class CommentAdmin(admin.ModelAdmin[Comment]):
    """Find comments by id, post, author or text."""

    list_display = ["id", "post_id", "author_id", "text", "created_at"]
    list_filter = ["created_at"]
    search_fields = ["=id", "=post_id", "=author_id", "text"]
    raw_id_fields = ["reply_to"]
    readonly_fields = ["id", "created_at", "edited_at"]
    ordering = ["-id"]
    show_full_result_count = False
