"""Reads of Media and Upload. What they show is a media document (media/documents.py).

To the owner of an upload, `state` tells whether it is ready.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from django.conf import settings

from core.http.problems import Conflict, NotFound
from core.sql import all_found, first_found
from media import incoming, usage
from media.claims import held_media
from media.documents import has_addresses, media_document, shown, shown_json
from media.models import Media, Upload
from media.storage import public_url
from media.uploads import LOST

__all__ = [
    "documents_of_posts",
    "has_addresses",
    "held_documents",
    "most_usage",
    "own_media",
    "public_url",
    "ready_document",
    "sending_document",
    "sending_requests",
    "shown_json",
    "usage_document",
]


def own_media(*, media_id: int, owner_id: int) -> dict[str, Any]:
    """The document of an upload with its `state`, for its owner; raises `NotFound` for others.

    Until it is ready: {"id", "state", "content_type", "byte_size", "alt", "progress", "error"}.
    """
    return _own_document(_own(media_id, owner_id))


def _own_document(own: Upload | Media) -> dict[str, Any]:
    return _upload_document(own) if isinstance(own, Upload) else ready_document(own)


def _own(media_id: int, owner_id: int) -> Upload | Media:
    """A media of an owner, or the upload that it is going to be; raises `NotFound`."""

    def find() -> Upload | Media | None:
        # In this order: a media takes its upload's place.
        if upload := Upload.objects.filter(pk=media_id, owner_id=owner_id).first():
            return upload
        media = Media.objects.exclude(place=Media.Place.ARRIVING)
        return media.filter(pk=media_id, owner_id=owner_id).first()

    own = first_found(find)
    if own is None:
        raise NotFound("You have no such media.")
    return cast("Upload | Media", own)  # mypy joins the two to their base class


def ready_document(media: Media) -> dict[str, Any]:
    """The document of a media that is ready, for its owner."""
    return {**shown(media_document(media)), "state": "ready"}


def _upload_document(upload: Upload) -> dict[str, Any]:
    has_failed = upload.state == Upload.State.FAILED
    return {
        "id": str(upload.pk),
        "state": upload.state,
        "content_type": upload.content_type,
        "byte_size": upload.byte_size,
        "alt": upload.alt,
        "progress": upload.progress,
        "error": {"code": upload.error_code, "detail": upload.error} if has_failed else None,
    }


def held_documents(*, media_ids: Mapping[int, Sequence[int]]) -> dict[int, list[dict[str, Any]]]:
    """The documents of what waiting posts hold, ready or not, each with its `state`, by waiting
    post; two queries. `media_ids`: what each should hold, in order. What is gone has failed.
    """
    # In this order: a media takes its upload's place.
    uploads = Upload.objects.filter(used_by_id__in=media_ids).in_bulk()
    media = held_media().filter(used_by_id__in=media_ids).in_bulk()
    held: dict[int, Media | Upload] = {**uploads, **media}
    return {
        waiting_post_id: [_own_document(held[id_]) if id_ in held else _gone(id_) for id_ in ids]
        for waiting_post_id, ids in media_ids.items()
    }


def _gone(media_id: int) -> dict[str, Any]:
    lost = Upload(
        pk=media_id,
        byte_size=0,
        state=Upload.State.FAILED,
        error_code=LOST["code"],
        error=LOST["reason"],
    )
    return _upload_document(lost)


def sending_requests(*, media_id: int, owner_id: int) -> dict[str, Any]:
    """The sending document of an owner's upload. Raises `NotFound`, `Conflict` if the file has been
    sent, and `Unavailable` if the object store does not answer.
    """
    upload = _own(media_id, owner_id)
    if isinstance(upload, Media) or upload.state != Upload.State.PENDING:
        raise Conflict(
            f"The file has been sent. See GET /api/v1/media/{media_id}.", code="upload_complete"
        )
    sent: Collection[int] = ()
    if upload.multipart_id:
        sent = incoming.sent_parts(key=upload.key, multipart_id=upload.multipart_id)
        # A request that died may have joined them.
        if not sent and incoming.first_bytes(key=upload.key, limit=1):
            sent = incoming.part_sizes(upload.byte_size)
    return sending_document(upload, sent=sent)


def sending_document(upload: Upload, *, sent: Collection[int] = ()) -> dict[str, Any]:
    """What of a file is to be sent to the object store, with new signatures. `sent`: the numbers of
    the parts that are there.

    {"id", "state", "expires_at", "form": {"url", "fields"} or None,
     "parts": [{"number", "offset", "byte_size", "is_sent", "url" or None}] or None}
    """
    form = parts = None
    if upload.multipart_id:
        parts = list(_parts(upload, sent))
    else:
        form = incoming.signed_form(
            key=upload.key, content_type=upload.content_type, byte_size=upload.byte_size
        )
    expires_at = datetime.now(UTC).replace(microsecond=0) + incoming.LINK_LIFETIME
    return {
        "id": str(upload.pk),
        "state": upload.state,
        "expires_at": expires_at,
        "form": form,
        "parts": parts,
    }


def _parts(upload: Upload, sent: Collection[int]) -> Iterator[dict[str, Any]]:
    offset = 0
    for number, size in incoming.part_sizes(upload.byte_size).items():
        url = None
        if number not in sent:
            url = incoming.signed_part(
                key=upload.key, multipart_id=upload.multipart_id, number=number, byte_size=size
            )
        part = {"number": number, "offset": offset, "byte_size": size}
        yield {**part, "is_sent": number in sent, "url": url}
        offset += size


def usage_document(*, owner_id: int) -> dict[str, Any]:
    """What an account has used of its quota today:

    {"bytes": {"used", "limit"}, "cpu_seconds": {"used", "limit"}, "resets_at"}; a limit may be None
    """
    return _usage_document(usage.usage_of(owner_id=owner_id))


def most_usage(*, limit: int, owner_id: int | None = None) -> dict[int, dict[str, Any]]:
    """The usage documents of those who have used most of a quota today, or of one owner, by owner,
    the largest first.
    """
    found = usage.most_usage(limit=limit, owner_id=owner_id)
    return {id_: _usage_document(used) for id_, used in found.items()}


def _usage_document(used: usage.Usage) -> dict[str, Any]:
    return {
        "bytes": {"used": used.byte_count, "limit": settings.MEDIA_DAILY_BYTES or None},
        "cpu_seconds": {
            "used": used.cpu_seconds,
            "limit": settings.MEDIA_DAILY_CPU_SECONDS or None,
        },
        "resets_at": used.resets_at,
    }


def documents_of_posts(*, post_ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """The media documents of posts, in order, by post id, to be shown by `shown_json`; one query.

    Every post has media. So the primary is asked for posts that have none on the replica.
    """
    return all_found(_read_documents_of_posts, post_ids) if post_ids else {}


def _read_documents_of_posts(post_ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    documents: dict[int, list[dict[str, Any]]] = {}
    used = Media.objects.filter(used_as=Media.Use.POST, used_by_id__in=post_ids)
    for media in used.order_by("used_by_id", "position"):
        documents.setdefault(media.used_by_id or 0, []).append(media_document(media))
    return documents
