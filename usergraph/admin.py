"""Staff's view of the follower graph."""

from django.contrib import admin

from core.admin_classes import ReadOnlyAdmin
from usergraph.models import Follow, PulledAuthor


@admin.register(Follow)
class FollowAdmin(ReadOnlyAdmin[Follow]):
    """Shows edges. Staff cannot change them: only users follow and unfollow."""

    list_display = ["id", "follower", "followee", "created_at"]
    list_select_related = ["follower", "followee"]
    list_filter = ["created_at"]
    id_fields = ["pk", "follower", "followee"]
    search_fields = ["follower__username__exact", "followee__username__exact"]
    raw_id_fields = ["follower", "followee"]
    readonly_fields = ["id", "created_at"]


@admin.register(PulledAuthor)
class PulledAuthorAdmin(ReadOnlyAdmin[PulledAuthor]):
    """Shows the authors whose posts are pulled. Fan-out decides that by the number of followers."""

    list_display = ["author", "state", "changed_at"]
    list_select_related = ["author"]
    list_filter = ["state"]
    search_fields = ["author__username__exact"]
    ordering = ["-changed_at"]
