"""Staff's view of the follower graph."""

from typing import Any

from django.contrib import admin

from core.admin_classes import ReadOnlyAdmin
from usergraph.models import (
    Block,
    CloseFriend,
    Follow,
    FollowRequest,
    Mute,
    PulledAuthor,
    Restriction,
)


class _EdgeAdmin(ReadOnlyAdmin[Any]):
    """Shows who has to do with whom, from a follower to a followee."""

    list_display = ["id", "follower", "followee", "created_at"]
    list_select_related = ["follower", "followee"]
    list_filter = ["created_at"]
    id_fields = ["pk", "follower", "followee"]
    search_fields = ["follower__username__exact", "followee__username__exact"]
    raw_id_fields = ["follower", "followee"]
    readonly_fields = ["id", "created_at"]


@admin.register(Follow)
class FollowAdmin(_EdgeAdmin):
    """Shows edges. Staff cannot change them: only users follow and unfollow."""


@admin.register(FollowRequest)
class FollowRequestAdmin(_EdgeAdmin):
    """Shows who asks to follow whom. Staff cannot answer: only the followee does."""


@admin.register(Block)
class BlockAdmin(ReadOnlyAdmin[Block]):
    """Shows who blocks whom. Staff cannot change it: only users block."""

    list_display = ["id", "blocker", "blocked", "created_at"]
    list_select_related = ["blocker", "blocked"]
    list_filter = ["created_at"]
    id_fields = ["pk", "blocker", "blocked"]
    search_fields = ["blocker__username__exact", "blocked__username__exact"]
    raw_id_fields = ["blocker", "blocked"]
    readonly_fields = ["id", "created_at"]


@admin.register(Mute)
class MuteAdmin(ReadOnlyAdmin[Mute]):
    """Shows who mutes whom, and until when. Staff cannot change it: only users mute."""

    list_display = ["id", "muter", "muted", "until", "created_at"]
    list_select_related = ["muter", "muted"]
    list_filter = ["created_at"]
    id_fields = ["pk", "muter", "muted"]
    search_fields = ["muter__username__exact", "muted__username__exact"]
    raw_id_fields = ["muter", "muted"]
    readonly_fields = ["id", "until", "created_at"]


@admin.register(CloseFriend, Restriction)
class OwnListAdmin(ReadOnlyAdmin[Any]):
    """Shows who is on whose list. Staff cannot change it: only the owner does."""

    list_display = ["id", "owner", "member", "created_at"]
    list_select_related = ["owner", "member"]
    list_filter = ["created_at"]
    id_fields = ["pk", "owner", "member"]
    search_fields = ["owner__username__exact", "member__username__exact"]
    raw_id_fields = ["owner", "member"]
    readonly_fields = ["id", "created_at"]


@admin.register(PulledAuthor)
class PulledAuthorAdmin(ReadOnlyAdmin[PulledAuthor]):
    """Shows the authors whose posts are pulled. Fan-out decides that by the number of followers."""

    list_display = ["author", "state", "changed_at"]
    list_select_related = ["author"]
    list_filter = ["state"]
    search_fields = ["author__username__exact"]
    ordering = ["-changed_at"]
