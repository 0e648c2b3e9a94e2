"""Staff's view of posts."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from core.admin_classes import LikesAdmin, OwnedAdmin, ReadOnlyAdmin
from core.http.problems import Conflict, NotFound
from posts.models import CommentSummary, Like, Post, WaitingPost
from posts.services import delete_post, edit_post
from posts.waiting import change_waiting_post, delete_waiting_post

admin.site.register(Like, LikesAdmin)


@admin.register(Post)
class PostAdmin(OwnedAdmin[Post]):
    """Find posts by id, author or caption; edit or delete one, as its author would."""

    list_display = ["id", "author_id", "caption", "audience", "created_at", "edited_at"]
    list_filter = ["audience", "created_at"]
    id_fields = ["pk", "author_id"]
    search_fields = ["caption"]
    readonly_fields = ["id", "author_id", "audience", "created_at", "edited_at"]

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


@admin.register(WaitingPost)
class WaitingPostAdmin(OwnedAdmin[WaitingPost]):
    """Find posts that wait until all of their media are ready; edit or delete one that is not
    published, as its author would.
    """

    list_display = ["id", "author_id", "caption", "created_at", "post_id"]
    list_filter = ["created_at"]
    id_fields = ["pk", "author_id", "post_id"]
    search_fields = ["caption"]
    readonly_fields = [
        "id",
        "author_id",
        "audience",
        "media_ids",
        "created_at",
        "changed_at",
        "post_id",
    ]

    def delete_model(self, request: HttpRequest, obj: WaitingPost) -> None:
        self._do(request, delete_waiting_post, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[WaitingPost]) -> None:
        for waiting in queryset:
            self._do(request, delete_waiting_post, waiting)

    def save_model(
        self,
        request: HttpRequest,
        obj: WaitingPost,
        form: forms.ModelForm[WaitingPost],
        change: bool,
    ) -> None:
        if form.changed_data:
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            self._do(request, partial(change_waiting_post, changes=changes), obj)

    def _do(self, request: HttpRequest, act: Callable[..., None], waiting: WaitingPost) -> None:
        try:
            act(waiting_post_id=waiting.pk, author_id=waiting.author_id)
        except (NotFound, Conflict) as problem:  # deleted or published while the page was open
            self.message_user(request, problem.detail, messages.ERROR)


@admin.register(CommentSummary)
class CommentSummaryAdmin(ReadOnlyAdmin[CommentSummary]):
    """Shows the count and the latest comments that a post is shown with."""

    list_display = ["id", "post_id", "count", "recent"]
    id_fields = ["pk", "post_id"]
    search_fields = ["=post_id"]
