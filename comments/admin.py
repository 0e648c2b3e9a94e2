"""Staff's view of comments."""

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from comments.models import Comment, CommentLike, CommentRules
from comments.services import reword, take_down
from core.admin_classes import LikesAdmin, OwnedAdmin, ReadOnlyAdmin

admin.site.register(CommentLike, LikesAdmin)


@admin.register(CommentRules)
class CommentRulesAdmin(ReadOnlyAdmin[CommentRules]):
    """Shows who may comment on whose posts. Staff cannot change it: only the author does."""

    list_display = ["author_id", "comments_from", "hidden_words"]
    id_fields = ["pk"]
    search_fields = ["=author_id"]
    ordering = ["-author_id"]


@admin.register(Comment)
class CommentAdmin(OwnedAdmin[Comment]):
    """Find comments by id, post, author or text; edit one, or delete it with its replies."""

    list_display = ["id", "post_id", "author_id", "text", "created_at"]
    list_filter = ["created_at"]
    id_fields = ["pk", "post_id", "author_id"]
    search_fields = ["text"]
    readonly_fields = [
        "id",
        "post_id",
        "author_id",
        "reply_to",
        "held_for",
        "created_at",
        "edited_at",
    ]

    def delete_model(self, request: HttpRequest, obj: Comment) -> None:
        take_down(comment_ids=[obj.pk])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Comment]) -> None:
        take_down(comment_ids=[comment.pk for comment in queryset])

    def save_model(
        self, request: HttpRequest, obj: Comment, form: forms.ModelForm[Comment], change: bool
    ) -> None:
        if form.changed_data:
            reword(comment_id=obj.pk, text=obj.text)
