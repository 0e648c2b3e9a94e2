"""Who uses a media: a post, an avatar, or a post that waits until all of its media are ready.

A waiting post holds uploads, too: each becomes a media that it holds (`media.processing`). The
functions run in the caller's transaction on the posts database. They lock uploads before media, and
each of them by id.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from django.db import transaction
from django.db.models import Q, QuerySet

from core.http.problems import Invalid
from media.events import MediaConfined, media_confined
from media.models import Media, Upload

Use = Media.Use
Row = TypeVar("Row", Media, Upload)


class MediaNotReadyError(Invalid):
    """Some media are on their way. None of them has failed."""


def usable_media(owner_id: int) -> QuerySet[Media]:
    """The media of a user, without those that are still arriving."""
    return Media.objects.filter(owner_id=owner_id).exclude(place=Media.Place.ARRIVING)


def claim_media(
    *,
    owner_id: int,
    media_ids: Sequence[int],
    used_as: str,
    used_by_id: int,
    held_by_id: int | None = None,
    is_confidential: bool = False,
) -> None:
    """Mark media as used by a post or as an avatar, in order.

    `is_confidential`: not everybody may see them. From the commit on, they have no public address,
    and a worker withholds their objects.

    Each must exist, belong to the owner, and be unused, used by the same post or avatar already, or
    held by the waiting post `held_by_id`. Otherwise `Invalid` names those that cannot be used, and
    the caller should roll back; it is `MediaNotReadyError` if waiting helps. If two claim the same
    media at once, one of them gets it.
    """
    _check_call(media_ids)
    mine = _locked(usable_media(owner_id).filter(pk__in=media_ids))
    missing = [id_ for id_ in media_ids if id_ not in mine]
    if missing:
        uploads = Upload.objects.filter(owner_id=owner_id).in_bulk(missing)
        # Some may have become media since they were looked for.
        media = usable_media(owner_id).in_bulk(missing)
        _refuse_failed(uploads.values())
        _refuse_unknown(id_ for id_ in missing if id_ not in uploads and id_ not in media)
        raise MediaNotReadyError(
            f"Media {_names(missing)} is not ready. Wait until GET /api/v1/media/{missing[0]} says "
            "so.",
            field="media",
            code="media_not_ready",
        )
    users = {("", None), (used_as, used_by_id), (Use.WAITING, held_by_id)}
    _refuse_used(row for row in mine.values() if (row.used_as, row.used_by_id) not in users)
    for position, id_ in enumerate(media_ids):
        mine[id_].used_as, mine[id_].used_by_id = used_as, used_by_id
        mine[id_].position = position
        mine[id_].is_confidential = is_confidential
    columns = ["used_as", "used_by_id", "position", "is_confidential"]
    Media.objects.bulk_update(mine.values(), columns)
    if is_confidential:
        media_confined.announce(MediaConfined(list(media_ids)))


def hold_media(*, owner_id: int, media_ids: Sequence[int], waiting_post_id: int) -> None:
    """Let a waiting post hold these media of its author, and no others.

    They may be on their way. Raises `Invalid` as `claim_media` does, also for one that has failed.
    """
    _check_call(media_ids)
    own = Q(owner_id=owner_id, pk__in=media_ids)
    # In this order: a media takes its upload's place.
    uploads = _locked(Upload.objects.filter(own | Q(used_by_id=waiting_post_id)))
    held = Q(used_as=Use.WAITING, used_by_id=waiting_post_id)
    media = _locked(usable_media(owner_id).filter(own | held))
    found: dict[int, Media | Upload] = {**uploads, **media}
    _refuse_unknown(id_ for id_ in media_ids if id_ not in found)
    _refuse_failed(row for row in uploads.values() if row.pk in media_ids)
    _refuse_used(row for row in uploads.values() if row.used_by_id not in {None, waiting_post_id})
    users = {("", None), (Use.WAITING, waiting_post_id)}
    _refuse_used(row for row in media.values() if (row.used_as, row.used_by_id) not in users)
    _set_holder(uploads, media, held=media_ids, waiting_post_id=waiting_post_id)


def _set_holder(
    uploads: Mapping[int, Upload],
    media: Mapping[int, Media],
    *,
    held: Collection[int],
    waiting_post_id: int,
) -> None:
    """Let a waiting post hold those of the locked rows whose ids are `held`; release the others."""
    for upload in uploads.values():
        upload.used_by_id = waiting_post_id if upload.pk in held else None
    for row in media.values():
        is_held = row.pk in held
        row.used_as = Use.WAITING if is_held else ""
        # The waiting post knows the order.
        row.used_by_id, row.position = (waiting_post_id, 0) if is_held else (None, None)
    Upload.objects.bulk_update(uploads.values(), ["used_by_id"])
    Media.objects.bulk_update(media.values(), ["used_as", "used_by_id", "position"])


def release_held_media(*, waiting_post_id: int) -> None:
    """Let what a waiting post holds be unused again."""
    uploads = _locked(Upload.objects.filter(used_by_id=waiting_post_id))
    media = _locked(held_media().filter(used_by_id=waiting_post_id))
    _set_holder(uploads, media, held=(), waiting_post_id=waiting_post_id)


def are_held_and_ready(*, waiting_post_id: int, media_ids: Collection[int]) -> bool:
    """Whether a waiting post holds all of these, and they are ready."""
    held = held_media().filter(used_by_id=waiting_post_id, pk__in=media_ids)
    return held.count() == len(media_ids)


def held_media() -> QuerySet[Media]:
    """The media of all waiting posts."""
    return Media.objects.filter(used_as=Use.WAITING)


def _check_call(media_ids: Sequence[int]) -> None:
    if len(set(media_ids)) != len(media_ids):
        raise Invalid("The same media is given twice.", field="media", code="duplicate")
    if not transaction.get_connection("posts").in_atomic_block:
        raise RuntimeError("Media are claimed inside a transaction on the posts database.")


def _locked(rows: QuerySet[Row]) -> dict[int, Row]:
    return {row.pk: row for row in rows.select_for_update().order_by("pk")}


def _refuse_failed(uploads: Iterable[Upload]) -> None:
    if failed := [row.pk for row in uploads if row.state == Upload.State.FAILED]:
        raise Invalid(
            f"Media {_names(failed)} has failed. Upload the file again.",
            field="media",
            code="media_not_ready",
        )


def _refuse_unknown(ids: Iterable[int]) -> None:
    if unknown := _names(ids):
        raise Invalid(
            f"You have not uploaded media {unknown}. Upload it at POST /api/v1/media.",
            field="media",
            code="unknown_media",
        )


def _refuse_used(rows: Iterable[Media | Upload]) -> None:
    if used := _names(row.pk for row in rows):
        raise Invalid(
            f"Media {used} is used already: in a post, published or waiting, or as an avatar. "
            "Upload the file again.",
            field="media",
            code="used_media",
        )


def _names(ids: Iterable[int]) -> str:
    return ", ".join(map(str, ids))
