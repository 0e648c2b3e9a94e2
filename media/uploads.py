"""Writes of Upload: a file is announced, sent to the object store, processed, or given up.

When the row goes or fails, `upload_ended` has the file removed: at once, and again when no signed
request can be running any more.
"""

from collections.abc import Mapping
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from core.http.problems import Conflict, NotFound, TooLarge, UnsupportedMedia
from media import incoming, storage, usage
from media.events import UploadEnded, UploadSent, upload_ended, upload_sent
from media.models import Media, Upload
from media.structure import format_of
from media.structure.limits import HEAD_BYTES
from media.structure.videos import container_of

State = Upload.State
# The content types that clients may send, and the formats that they mean: Pillow's names of
# pictures, FFmpeg's of videos.
CONTENT_TYPES: Mapping[str, str] = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WEBP",
    "image/heic": "HEIF",
    "image/heif": "HEIF",
    "image/avif": "AVIF",
    "image/gif": "GIF",
    "video/mp4": "mov",
    "video/quicktime": "mov",
    "video/3gpp": "mov",
    "video/webm": "matroska",
}
# Why an upload has failed whose file or row is gone.
LOST = {"code": "upload_lost", "reason": "The file is not there. Upload it anew."}
# Stores check a signature when a request begins. It may then take so long.
_LAST_ARRIVAL = incoming.LINK_LIFETIME + timedelta(minutes=50)


def begin_upload(*, owner_id: int, content_type: str, byte_size: int, alt: str = "") -> Upload:
    """Announce a file; returns the row. `selectors.sending_document` says how to send it.

    Raises `UnsupportedMedia` for another content type, `TooLarge` over MEDIA_UPLOAD_MAX_BYTES or,
    for a video, MEDIA_VIDEO_MAX_BYTES, `TooManyRequests` over a quota of the day, and `Unavailable`
    if the object store does not answer.
    """
    if content_type not in CONTENT_TYPES:
        raise UnsupportedMedia(
            f"Files of the type {content_type} are not accepted. Send one of: "
            f"{', '.join(CONTENT_TYPES)}.",
            field="content_type",
        )
    is_video = content_type.startswith("video/")
    most = settings.MEDIA_VIDEO_MAX_BYTES if is_video else settings.MEDIA_UPLOAD_MAX_BYTES
    if byte_size > most:
        raise TooLarge(
            f"The file has {byte_size} bytes; at most {most} are accepted. Scale it down or "
            "compress it more.",
            field="byte_size",
        )
    key, multipart_id = storage.new_incoming_key(), ""
    with usage.reserved(owner_id=owner_id, byte_size=byte_size):
        # If this request dies now, `manage.py media gc` finds it. It has no parts: nobody
        # has an address for them.
        if byte_size > incoming.MAX_FORM_BYTES:
            multipart_id = incoming.begin_parts(key=key, content_type=content_type)
        return Upload.objects.create(
            owner_id=owner_id,
            content_type=content_type,
            byte_size=byte_size,
            alt=alt,
            key=key,
            multipart_id=multipart_id,
        )


def complete_upload(*, upload_id: int, owner_id: int) -> None:
    """Check a file that was sent, and have it processed. Once it is, this does nothing.

    A file of another type than announced makes the upload `failed`. Raises `NotFound`, `Conflict`
    if not all of it has arrived, `TooManyRequests` over the quota of CPU time, and `Unavailable` if
    the object store does not answer.
    """
    with transaction.atomic(using="posts"):
        upload = _own(upload_id, owner_id).select_for_update().first()
        if upload is None:
            if Media.objects.filter(pk=upload_id, owner_id=owner_id).exists():
                return
            raise NotFound("You have no such upload.")
        if upload.state != State.PENDING:
            return
        usage.refuse_without_cpu_time(owner_id=owner_id)
        head = _head(upload)
        if (container_of(head) or format_of(head)) == CONTENT_TYPES[upload.content_type]:
            upload.state = State.PROCESSING
            upload.save(update_fields=["state"])
            upload_sent.announce(UploadSent(upload_id=upload.pk))
        else:
            reason = f"The file is not {upload.content_type}, as was announced. Upload it anew."
            fail(upload, code="other_content", reason=reason)


def _head(upload: Upload) -> bytes:
    """The first bytes of a file that was sent, whose parts are joined before. Raises `Conflict` if
    something is missing.
    """
    if upload.multipart_id:
        etags = incoming.sent_parts(key=upload.key, multipart_id=upload.multipart_id)
        missing = sorted(incoming.part_sizes(upload.byte_size).keys() - etags.keys())
        # A request that died may have joined them.
        if missing and etags:
            raise _incomplete(upload, f"Its parts {', '.join(map(str, missing))} are missing.")
        if etags and not incoming.join_parts(
            key=upload.key, multipart_id=upload.multipart_id, etags=etags
        ):
            raise _incomplete(upload, "A part has changed at this moment.")
    found = incoming.first_bytes(key=upload.key, limit=HEAD_BYTES)
    if found is None:
        raise _incomplete(upload, "It has not arrived.")
    head, size = found
    if size != upload.byte_size:
        raise _incomplete(upload, f"It has {size} bytes, and {upload.byte_size} were announced.")
    return head


def _incomplete(upload: Upload, reason: str) -> Conflict:
    return Conflict(
        f"The file is not here yet. {reason} Send what GET /api/v1/media/uploads/{upload.pk} asks "
        "for.",
        code="upload_incomplete",
    )


def describe_upload(*, upload_id: int, owner_id: int, alt: str) -> bool:
    """Change the description of a file on its way; returns False if there is none."""
    return bool(_own(upload_id, owner_id).update(alt=alt))


def cancel_upload(*, upload_id: int, owner_id: int) -> bool:
    """Give up a file on its way; returns False if there is none. Raises `Conflict` if a waiting
    post holds it.
    """
    with transaction.atomic(using="posts"):
        upload = _own(upload_id, owner_id).select_for_update().first()
        if upload is None:
            return False
        if upload.used_by_id is not None:
            raise held_by_waiting_post(upload.used_by_id)
        announce_end(upload)
        upload.delete()
    return True


def held_by_waiting_post(waiting_post_id: int) -> Conflict:
    """The problem with deleting what a waiting post holds."""
    return Conflict(
        f"Waiting post {waiting_post_id} has it. Change or delete that at "
        f"/api/v1/posts/waiting/{waiting_post_id}.",
        code="media_in_use",
    )


def remove_uploads_of_owner(*, owner_id: int, limit: int) -> int:
    """Give up to `limit` files of an owner up; returns how many."""
    return _remove(Upload.objects.filter(owner_id=owner_id).select_for_update(), limit=limit)


def remove_abandoned_uploads(*, limit: int) -> int:
    """Give up to `limit` files up that were not sent within MEDIA_UNUSED_HOURS, or have failed so
    long ago; returns how many. What somebody has locked is about to be processed. What a waiting
    post holds stays until that lets it go.
    """
    age = timedelta(hours=settings.MEDIA_UNUSED_HOURS)
    old = Upload.objects.exclude(state=State.PROCESSING).filter(created_at__lt=Now() - age)
    unheld = old.filter(used_by_id=None)
    return _remove(unheld.select_for_update(skip_locked=True), limit=limit)


def _remove(locked: QuerySet[Upload], *, limit: int) -> int:
    """Delete up to `limit` rows; returns how many."""
    with transaction.atomic(using="posts"):
        rows = list(locked.order_by("pk")[:limit])
        Upload.objects.filter(pk__in=[row.pk for row in rows]).delete()
        for row in rows:
            announce_end(row)
    return len(rows)


def fail(upload: Upload, *, code: str, reason: str) -> None:
    """Say why a locked upload does not become a media, in the caller's transaction."""
    upload.state, upload.error_code, upload.error = State.FAILED, code, reason
    upload.save(update_fields=["state", "error_code", "error"])
    announce_end(upload)


def announce_end(upload: Upload, *, kept: str = "") -> None:
    """Have the file removed, and what workers have made of it but what is `kept`, in the caller's
    transaction on the posts database.
    """
    prefixes = [prefix for prefix in upload.attempts if prefix != kept]
    ended = UploadEnded(key=upload.key, prefixes=prefixes)
    upload_ended.announce(ended)
    # Until then the client can send it once more, and a suspended worker store something.
    upload_ended.announce(ended, after=_LAST_ARRIVAL)


def _own(upload_id: int, owner_id: int) -> QuerySet[Upload]:
    return Upload.objects.filter(pk=upload_id, owner_id=owner_id)
