"""Staff's view of the outboxes, one in each database; and why a post is in a home timeline."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_safe

from core.admin_classes import ReadOnlyAdmin
from core.http.problems import NotFound
from core.ids import MAX_ID
from fanout.models import CommentsOutboxEvent, OutboxEvent, PostsOutboxEvent
from fanout.tasks import deliver_event
from operations.explain import explain_home
from users import selectors as user_selectors


class ExplainForm(forms.Form):
    """Which post, in whose home timeline."""

    viewer = forms.CharField(max_length=30, help_text="A username, or an account's id.")
    post = forms.IntegerField(min_value=1, label="Post id")

    def clean_viewer(self) -> int:
        """The viewer's id. An id comes first: a username may be any number."""
        term = self.cleaned_data["viewer"].removeprefix("@")
        if term.isdecimal() and int(term) <= MAX_ID:
            user_id = int(term)
            if user_selectors.accounts(user_ids=[user_id]):
                return user_id
        try:
            return user_selectors.user_id_by_username(username=term, active_only=False)
        except NotFound as error:
            raise forms.ValidationError(error.detail) from error


class PendingFilter(admin.SimpleListFilter):
    """Rows that are still to be delivered."""

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


class OutboxAdmin(ReadOnlyAdmin[OutboxEvent]):
    """See what is being delivered, what hangs and why; wake it."""

    database = "default"
    list_display = ["id", "kind", "payload", "attempts", "cursor", "created_at", "done_at"]
    list_filter = [PendingFilter, "kind", "created_at"]
    id_fields = ["pk", "payload__post_id", "payload__author_id"]
    search_fields = ["kind"]
    ordering = ["-id"]
    actions = ["wake"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutboxEvent]:
        return super().get_queryset(request).using(self.database)

    @admin.action(description="Wake the selected deliveries now")
    def wake(self, request: HttpRequest, events: QuerySet[OutboxEvent]) -> None:
        for event in events:
            deliver_event.delay(database=self.database, event_id=event.pk)
        self.message_user(request, f"{len(events)} woken.")


@admin.register(OutboxEvent)
class UsersOutboxAdmin(OutboxAdmin):
    """The outbox of the users database."""


@admin.register(PostsOutboxEvent)
class PostsOutboxAdmin(OutboxAdmin):
    """The outbox of the posts database; and, of a post in it, whom it reaches and why."""

    database = "posts"

    def get_urls(self) -> list[URLPattern]:
        explain = self.admin_site.admin_view(self.explain)
        return [path("explain/", explain, name="fanout_explain"), *super().get_urls()]

    @method_decorator(require_safe)
    def explain(self, request: HttpRequest) -> TemplateResponse:
        """Why a post is, or is not, in a home timeline: a form, and below it the answer."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        # A link from a post fills in the post only, which is no mistake yet.
        is_asked = "viewer" in request.GET
        form = ExplainForm(request.GET) if is_asked else ExplainForm(initial=request.GET.dict())
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Explain a home timeline",
            "form": form,
        }
        if is_asked and form.is_valid():
            asked = form.cleaned_data
            context["explanation"] = explain_home(viewer_id=asked["viewer"], post_id=asked["post"])
        return TemplateResponse(request, "admin/operations/explain.html", context)


@admin.register(CommentsOutboxEvent)
class CommentsOutboxAdmin(OutboxAdmin):
    """The outbox of the comments database."""

    database = "comments"
