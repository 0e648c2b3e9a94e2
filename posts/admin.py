"""Staff's view of posts."""

from contextlib import suppress

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from core.admin_classes import LikesAdmin, OwnedAdmin, ReadOnlyAdmin
from core.http.problems import NotFound
from posts.models import CommentSummary, Like, Post
from posts.services import delete_post, edit_post

admin.site.register(Like, LikesAdmin)


@admin.register(Post)
class PostAdmin(OwnedAdmin[Post]):
    """Find posts by id, author or caption; edit or delete one, as its author would."""

    list_display = ["id", "author_id", "caption", "comments_closed", "created_at", "edited_at"]
    list_filter = ["created_at"]
    id_fields = ["pk", "author_id"]
    search_fields = ["caption"]
    readonly_fields = ["id", "author_id", "created_at", "edited_at"]

    def delete_model(self, request: HttpRequest, obj: Post) -> None:
        delete_post(post_id=obj.pk, author_id=obj.author_id)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Post]) -> None:
        for post in queryset:
            with suppress(NotFound):  # its author has deleted it
                delete_post(post_id=post.pk, author_id=post.author_id)

    def save_model(
        self, request: HttpRequest, obj: Post, form: forms.ModelForm[Post], change: bool
    ) -> None:
        if form.changed_data:
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            edit_post(post_id=obj.pk, author_id=obj.author_id, changes=changes)


@admin.register(CommentSummary)
class CommentSummaryAdmin(ReadOnlyAdmin[CommentSummary]):
    """Shows the count and the latest comments that a post is shown with."""

    list_display = ["id", "post_id", "count", "recent"]
    id_fields = ["pk", "post_id"]
    search_fields = ["=post_id"]
