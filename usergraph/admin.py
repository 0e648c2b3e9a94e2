"""Staff's view of the follower graph."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from usergraph.models import Follow


@admin.register(Follow)
class FollowAdmin(admin.ModelAdmin[Follow]):
    """Look at edges. Following is the users' own business: staff change nothing here."""

    list_display = ["id", "follower", "followee", "created_at"]
    list_select_related = ["follower", "followee"]
    list_filter = ["created_at"]
    search_fields = ["=follower__username", "=followee__username", "=follower__id", "=followee__id"]
    raw_id_fields = ["follower", "followee"]
    readonly_fields = ["id", "created_at"]
    ordering = ["-id"]
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Follow | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Follow | None = None) -> bool:
        return False
