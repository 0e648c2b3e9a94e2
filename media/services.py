"""Writes of Media."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.files import File
from django.db import transaction
from django.db.models import QuerySet

from core.http.problems import Invalid, NotFound, TooLarge, Unavailable
from core.sql.transactions import undo_on_rollback
from media import storage
from media.decoding import decode_image
from media.events import MediaChanged, media_changed
from media.models import Media
from media.variants import VARIANTS


def store_image(*, owner_id: int, file: File[Any], alt: str = "") -> Media:
    """Store an uploaded image, cleaned, in all variants; returns its row.

    Raises `Invalid` for an empty file, `TooLarge` over MEDIA_MAX_BYTES, the errors of
    `decode_image`, and `Unavailable` if the object store does not answer. Nothing stays stored if
    this raises, or if the caller's transaction is rolled back (`undo_on_rollback`). The objects are
    stored before the row, so that a reader of the row can fetch them.
    """
    size = file.size
    if not size:
        raise Invalid("The file is empty.", field="file", code="empty")
    if size > settings.MEDIA_MAX_BYTES:
        raise TooLarge(
            f"The file has {size} bytes; at most {settings.MEDIA_MAX_BYTES} are accepted. "
            "Scale the image down or compress it more.",
            field="file",
        )
    image = decode_image(file.read())
    prefix = storage.new_prefix()
    try:
        storage.put_variants(prefix=prefix, variants=image.variants)
    except storage.StoreUnavailable as error:
        raise Unavailable("The object store does not answer. Try again in a while.") from error
    try:
        media = Media.objects.create(
            owner_id=owner_id,
            width=image.width,
            height=image.height,
            original_width=image.original_width,
            original_height=image.original_height,
            byte_size=sum(map(len, image.variants.values())),
            blurhash=image.blurhash,
            alt=alt,
            storage_prefix=prefix,
        )
    except BaseException:
        storage.delete_variants(prefix=prefix, variants=list(image.variants))
        raise
    # The caller's transaction may be rolled back, and the row with it.
    undo_on_rollback("posts", storage.delete_variants, prefix=prefix, variants=list(image.variants))
    return media


def claim_media(*, owner_id: int, media_ids: Sequence[int], used_as: str, used_by_id: int) -> None:
    """Mark media as used by a post or as an avatar, in order, in the caller's transaction.

    Each must exist, belong to the owner, and be unused, or used by the same post or avatar already.
    Otherwise `Invalid` names those that cannot be used, and the caller should roll back. If two
    claim the same media at once, one of them gets it.
    """
    if len(set(media_ids)) != len(media_ids):
        raise Invalid("The same media is given twice.", field="media", code="duplicate")
    if not transaction.get_connection("posts").in_atomic_block:
        raise RuntimeError("Call claim_media inside a transaction on the posts database.")
    rows = Media.objects.select_for_update().order_by("pk")
    mine = {row.pk: row for row in rows.filter(pk__in=media_ids, owner_id=owner_id)}
    missing = [str(id_) for id_ in media_ids if id_ not in mine]
    if missing:
        raise Invalid(
            f"You have not uploaded media {', '.join(missing)}. Upload it at POST /api/v1/media.",
            field="media",
            code="unknown_media",
        )
    used = [
        str(row.pk)
        for row in mine.values()
        if row.used_as and (row.used_as, row.used_by_id) != (used_as, used_by_id)
    ]
    if used:
        raise Invalid(
            f"Media {', '.join(used)} is used already. Upload the picture again.",
            field="media",
            code="used_media",
        )
    for position, id_ in enumerate(media_ids):
        mine[id_].used_as, mine[id_].used_by_id = used_as, used_by_id
        mine[id_].position = position
    Media.objects.bulk_update(mine.values(), ["used_as", "used_by_id", "position"])


def claim_avatar(*, owner_id: int, media_id: int) -> str:
    """Claim an image as its owner's avatar; returns the object key of its thumbnail.

    Raises `Invalid` as `claim_media` does. The claim commits before this returns, in a transaction
    of its own unless the caller has one open on this database.
    """
    with transaction.atomic(using="posts"):
        claim_media(
            owner_id=owner_id, media_ids=[media_id], used_as=Media.Use.AVATAR, used_by_id=owner_id
        )
        prefix = Media.objects.filter(pk=media_id).values_list("storage_prefix", flat=True).get()
    return storage.variant_key(prefix, "thumb")


def describe_media(*, media_id: int, alt: str) -> None:
    """Change the description of a picture; raises `NotFound`."""
    with transaction.atomic(using="posts"):
        # Locked: a post that claims it meanwhile is either announced here, or published with the
        # new description.
        media = Media.objects.select_for_update().filter(pk=media_id).first()
        if media is None:
            raise NotFound("There is no such media.")
        Media.objects.filter(pk=media_id).update(alt=alt)
        if media.used_as == Media.Use.POST and media.used_by_id is not None:
            media_changed.announce(MediaChanged(media_id=media_id, post_id=media.used_by_id))


def remove_media_of_post(*, post_id: int, limit: int) -> int:
    """Remove up to `limit` media of a deleted post, objects and rows; returns their number."""
    return _remove(Media.objects.filter(used_as=Media.Use.POST, used_by_id=post_id), limit)


def remove_media_of_owner(*, owner_id: int, limit: int) -> int:
    """Remove up to `limit` media of an owner, used or not; returns how many."""
    return _remove(Media.objects.filter(owner_id=owner_id), limit)


def _remove(media: QuerySet[Media], limit: int) -> int:
    """Remove objects, then the rows that name them; returns how many. Object store down: raises."""
    rows = dict(media.values_list("pk", "storage_prefix")[:limit])
    if rows:
        storage.remove_objects(prefixes=list(rows.values()), variants=VARIANTS)
        Media.objects.filter(pk__in=rows).delete()
    return len(rows)
