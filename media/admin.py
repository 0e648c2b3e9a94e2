"""Staff's view of media."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.admin_classes import OwnedAdmin, ReadOnlyAdmin
from core.http.problems import NotFound
from media.documents import address_of
from media.models import Media, MediaUsage, Upload
from media.services import describe_media


@admin.register(Media)
class MediaAdmin(OwnedAdmin[Media]):
    """Find uploads by id, owner or use; watch a video; change a description."""

    owner_field = "owner_id"
    list_display = [
        "preview",
        "id",
        "watch",
        "owner_id",
        "used_as",
        "used_by_id",
        "place",
        "byte_size",
        "created_at",
    ]
    list_display_links = ["preview", "id"]
    list_filter = ["used_as", "place", "created_at"]
    id_fields = ["pk", "owner_id", "used_by_id"]
    search_fields = ["storage_prefix__exact"]
    readonly_fields = [
        *("preview", "watch", "id", "owner_id", "place", "width", "height"),
        *("original_width", "original_height", "byte_size", "blurhash"),
    ]
    fields = ["preview", "alt", *readonly_fields[1:]]

    @admin.display(description="video")
    def watch(self, media: Media) -> SafeString | str:
        video: Any = media.video
        if video is None:
            return "no"
        source = address_of(media, video["sources"][-1]["name"])
        seconds = f"{video['duration_ms'] / 1000:.1f}"
        return format_html('<a href="{}" rel="noreferrer">watch {} s</a>', source, seconds)

    @admin.display(description="picture")
    def preview(self, media: Media) -> SafeString | str:
        if media.place == Media.Place.ARRIVING:
            return media.get_place_display()
        source = address_of(media, "thumb.jpg")
        return format_html('<img src="{}" alt="{}" width="75" height="75">', source, media.alt)

    def has_delete_permission(self, request: HttpRequest, obj: Media | None = None) -> bool:
        return False

    def save_model(
        self, request: HttpRequest, obj: Media, form: forms.ModelForm[Media], change: bool
    ) -> None:
        if "alt" not in form.changed_data:
            return
        try:
            describe_media(media_id=obj.pk, alt=obj.alt)
        except NotFound as problem:  # removed while the form was open
            self.message_user(request, problem.detail, messages.ERROR)


@admin.register(Upload)
class UploadAdmin(ReadOnlyAdmin[Upload]):
    """Find files that are on their way, or why one has failed."""

    list_display = [
        *("id", "owner_id", "state", "content_type", "byte_size", "created_at", "used_by_id"),
    ]
    list_filter = ["state", "content_type", "created_at"]
    id_fields = ["pk", "owner_id", "used_by_id"]
    search_fields = ["key__exact"]


@admin.register(MediaUsage)
class MediaUsageAdmin(ReadOnlyAdmin[MediaUsage]):
    """See what an account has used of its daily quota."""

    list_display = ["owner_id", "day", "byte_count", "cpu_ms"]
    id_fields = ["pk", "owner_id"]
