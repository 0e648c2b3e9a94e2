"""Writes of Media.

A row exists before its objects and until they are gone, or until their removal is announced. So no
object is unknown, whatever dies. Rows are locked while their objects move or go.
"""

from collections.abc import Collection
from datetime import timedelta
from functools import partial
from typing import Any, BinaryIO

from django.conf import settings
from django.core.files import File
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.expressions import DatabaseDefault
from django.db.models.functions import Now

from core.http.problems import Conflict, Invalid, NotFound, TooLarge, Unavailable
from core.sql.transactions import beside_transaction, undo_on_rollback
from media import claims, objects, places, remaking, storage, uploads, usage
from media.claims import usable_media
from media.decoding import decode_file, decode_image
from media.events import (
    AvatarClaimed,
    MediaChanged,
    MediaRemoved,
    avatar_claimed,
    media_changed,
    media_removed,
)
from media.models import Media
from media.sandbox import finished
from media.variants import Processed, ProcessedVideo

# What other packages call of claims, of places and of remaking.
MediaNotReadyError = claims.MediaNotReadyError
claim_media = claims.claim_media
hold_media = claims.hold_media
release_held_media = claims.release_held_media
are_held_and_ready = claims.are_held_and_ready
add_public_rule, place_media = places.add_public_rule, places.place_media
remake_media, thumbnail_key = remaking.remake_media, remaking.thumbnail_key
remove_former_objects = remaking.remove_former_objects
# What functions here raise if the object store, or the CDN, does not answer or refuses.
Unreachable = objects.Unreachable
Place = Media.Place
ARRIVAL = places.ARRIVAL


def store_image(*, owner_id: int, file: File[Any], alt: str = "") -> Media:
    """Store an uploaded image, cleaned, in all variants; returns its row.

    Raises `Invalid` for an empty file, `TooLarge` over MEDIA_MAX_BYTES, `TooManyRequests` over a
    quota of the day, the errors of `decode_image`, and `Unavailable` if the object store does not
    answer in time. If this raises, if the caller's transaction is rolled back
    (`undo_on_rollback`), or if this process dies, nothing stays: `remove_dead_uploads` finds the
    row, which commits before the objects are stored.
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
    with usage.reserved(owner_id=owner_id, byte_size=size):
        image = decode_image(file.read(), on_report=usage.cpu_counter(owner_id=owner_id))
    return _stored(image, owner_id=owner_id, alt=alt)


def store_file(*, owner_id: int, file: BinaryIO, alt: str = "") -> Media:
    """The same for a picture or a video on the disk, of any size, and without quotas.

    For commands: a video takes about as long as it plays.
    """
    return _stored(finished(decode_file(file)), owner_id=owner_id, alt=alt)


def _stored(decoded: Processed, *, owner_id: int, alt: str) -> Media:
    media = new_media(
        decoded=decoded,
        owner_id=owner_id,
        alt=alt,
        storage_prefix=storage.new_prefix(),
        place=Place.ARRIVING,
    )
    _insert_beside(media)
    place = places.place_of_uploads(owner_id=owner_id)
    prefix, variants = places.object_prefix(media.storage_prefix, place), decoded.files()
    forget = partial(storage.delete_variants, prefix=prefix, variants=list(variants))
    try:
        storage.put_variants(prefix=prefix, variants=variants)
    except storage.StoreUnavailable as error:
        raise Unavailable("The object store does not answer. Try again in a while.") from error
    try:
        arriving = Media.objects.filter(pk=media.pk, place=Place.ARRIVING)
        if not arriving.update(place=place):
            raise Unavailable("The object store has answered too slowly. Send the picture again.")
    except BaseException:
        forget()
        raise
    # The caller's transaction may be rolled back, and this change with it.
    undo_on_rollback("posts", forget)
    media.place = place
    return media


def new_media(*, decoded: Processed, **columns: Any) -> Media:
    """The row of a decoded upload, not saved yet. `columns`: what the upload does not tell."""
    image = decoded.poster if isinstance(decoded, ProcessedVideo) else decoded
    return Media(
        video=decoded.description() if isinstance(decoded, ProcessedVideo) else None,
        width=image.width,
        height=image.height,
        original_width=image.original_width,
        original_height=image.original_height,
        byte_size=sum(map(len, decoded.files().values())),
        blurhash=image.blurhash,
        has_webp=True,
        **columns,
    )


def _insert_beside(media: Media) -> None:
    """Insert and commit a row, beside the caller's transaction, which may never commit."""
    row = {field: getattr(media, field.attname) for field in Media._meta.concrete_fields}
    made = [field.attname for field, value in row.items() if isinstance(value, DatabaseDefault)]
    given = {
        field.attname: field.get_db_prep_save(value, transaction.get_connection("posts"))
        for field, value in row.items()
        if not isinstance(value, DatabaseDefault)
    }
    names, marks = ", ".join(given), ", ".join(["%s"] * len(given))
    statement = f"INSERT INTO media_media ({names}) VALUES ({marks}) RETURNING {', '.join(made)}"  # noqa: S608
    with beside_transaction("posts") as cursor:
        cursor.execute(statement, list(given.values()))
        for name, value in zip(made, cursor.fetchone(), strict=True):
            setattr(media, name, value)
    media._state.adding, media._state.db = False, "posts"


def publish_for_avatar(*, owner_id: int, media_id: int) -> None:
    """Make a picture public that is going to be its owner's avatar, also of a private account.

    Call it outside of transactions: it asks the object store. Raises `Unavailable` if that, or the
    CDN, does not answer.
    """
    try:
        places.publish_unused(owner_id=owner_id, media_id=media_id)
    except Unreachable as error:
        raise Unavailable("The object store does not answer. Try again in a while.") from error


def claim_avatar(*, owner_id: int, media_id: int) -> str:
    """Claim an image as its owner's avatar; returns the object key of its thumbnail.

    Raises `Invalid` as `claim_media` does, and for a video. The claim commits before this returns,
    in a transaction of its own unless the caller has one open on this database. The subscriber of
    `avatar_claimed` releases what the caller then does not use, because it died.

    It must be public: `publish_for_avatar` comes before. Raises `Unavailable` if another process
    has withheld it meanwhile.
    """
    with transaction.atomic(using="posts"):
        claim_media(
            owner_id=owner_id, media_ids=[media_id], used_as=Media.Use.AVATAR, used_by_id=owner_id
        )
        media = Media.objects.filter(pk=media_id)
        video, prefix, place = media.values_list("video", "storage_prefix", "place").get()
        if video is not None:
            raise Invalid(
                f"Media {media_id} is a video. An avatar is a picture.",
                field="media",
                code="not_a_picture",
            )
        if place != Place.PUBLIC:
            raise Unavailable("The picture is being moved. Try again in a while.")
        avatar_claimed.announce(AvatarClaimed(owner_id, media_id), after=ARRIVAL)
    return storage.variant_key(prefix, "thumb.jpg")


def describe_own_media(*, media_id: int, alt: str, owner_id: int) -> None:
    """Change the description of a picture of an owner, ready or not; raises `NotFound`."""
    if not uploads.describe_upload(upload_id=media_id, owner_id=owner_id, alt=alt):
        describe_media(media_id=media_id, alt=alt, owner_id=owner_id)


def describe_media(*, media_id: int, alt: str, owner_id: int | None = None) -> Media:
    """Change the description of a picture, of this owner if one is given; returns the picture.

    Raises `NotFound`. The same description is not announced.
    """
    with transaction.atomic(using="posts"):
        # Locked: a post that claims it meanwhile is either announced here, or published with the
        # new description.
        described = Media.objects.all() if owner_id is None else usable_media(owner_id)
        media = described.select_for_update().filter(pk=media_id).first()
        if media is None:
            raise NotFound("There is no such media.")
        if media.alt == alt:
            return media
        Media.objects.filter(pk=media_id).update(alt=alt)
        media.alt = alt
        if media.used_as == Media.Use.POST and media.used_by_id is not None:
            media_changed.announce(MediaChanged(media_id=media_id, post_id=media.used_by_id))
    return media


def release_avatar(*, owner_id: int, media_id: int) -> None:
    """Let an avatar that its user does not have be an unused upload again."""
    mine = Media.objects.filter(pk=media_id, owner_id=owner_id, used_as=Media.Use.AVATAR)
    mine.update(used_as="", used_by_id=None, position=None)


def remove_avatar(*, owner_id: int, media_id: int) -> bool:
    """Remove a picture that was its owner's avatar; returns False if it is gone, or if a post,
    published or waiting, has it now.
    """
    was_avatar = usable_media(owner_id).filter(pk=media_id, used_as__in=["", Media.Use.AVATAR])
    with places.locked(was_avatar) as rows:
        _remove_rows(rows)
    return bool(rows)


def delete_media(*, media_id: int, owner_id: int) -> None:
    """Delete an unused upload, ready or not; raises `NotFound`, and `Conflict` if a post, published
    or waiting, or an avatar uses it.
    """
    if uploads.cancel_upload(upload_id=media_id, owner_id=owner_id):
        return
    with places.locked(usable_media(owner_id).filter(pk=media_id)) as rows:
        if not rows:
            raise NotFound("You have no such media.")
        if rows[0].used_as == Media.Use.POST:
            raise Conflict(
                f"Post {rows[0].used_by_id} shows this picture. Delete the post.",
                code="media_in_use",
            )
        if rows[0].used_as == Media.Use.WAITING and rows[0].used_by_id:
            raise uploads.held_by_waiting_post(rows[0].used_by_id)
        if rows[0].used_as:
            raise Conflict(
                "This picture is your avatar. Change the avatar at PATCH /api/v1/users/me.",
                code="media_in_use",
            )
        _remove_rows(rows)


def remove_dead_uploads(*, limit: int) -> int:
    """Remove up to `limit` uploads whose requests must have died; returns how many."""
    arriving = Media.objects.filter(place=Place.ARRIVING)
    return _remove_stale(arriving.filter(created_at__lt=Now() - ARRIVAL), limit)


def remove_unused_uploads(*, limit: int) -> int:
    """Remove up to `limit` uploads that are unused after MEDIA_UNUSED_HOURS; returns how many."""
    age = timedelta(hours=settings.MEDIA_UNUSED_HOURS)
    return _remove_stale(Media.objects.filter(used_as="", created_at__lt=Now() - age), limit)


def _remove_stale(media: QuerySet[Media], limit: int) -> int:
    """Remove the rows, and announce it. What somebody has locked is about to be used."""
    with transaction.atomic(using="posts"):
        oldest = media.order_by("created_at").select_for_update(skip_locked=True)
        rows = list(oldest[:limit])
        _remove_rows(rows)
    return len(rows)


def _remove_rows(rows: Collection[Media]) -> None:
    """Remove locked rows; the subscriber of `media_removed` removes their objects."""
    if rows:
        Media.objects.filter(pk__in=[row.pk for row in rows]).delete()
        media_removed.announce(MediaRemoved([row.storage_prefix for row in rows]))


def remove_media_of_post(*, post_id: int, limit: int) -> int:
    """Remove up to `limit` media of a deleted post, objects and rows; returns their number.

    Object store or CDN down: raises `Unreachable`.
    """
    return _remove(Media.objects.filter(used_as=Media.Use.POST, used_by_id=post_id), limit)


def remove_media_of_owner(*, owner_id: int, limit: int) -> int:
    """Remove up to `limit` media of an owner, used or not, ready or not; returns how many.

    Object store or CDN down: raises `Unreachable`.
    """
    unfinished = uploads.remove_uploads_of_owner(owner_id=owner_id, limit=limit)
    return unfinished or _remove(Media.objects.filter(owner_id=owner_id), limit)


def _remove(media: QuerySet[Media], limit: int) -> int:
    """Remove objects, then the rows that name them; returns how many, 0 only if none is left."""
    while ids := list(media.values_list("pk", flat=True)[:limit]):
        with places.locked(media.filter(pk__in=ids)) as rows:
            if rows:  # else another process has removed them meanwhile
                objects.erase(prefixes=[row.storage_prefix for row in rows])
                Media.objects.filter(pk__in=[row.pk for row in rows]).delete()
                return len(rows)
    return 0


def erase_unknown_objects(*, keys: Collection[str]) -> None:
    """Remove objects that `media.audit` has found. Object store or CDN down: raises."""
    objects.erase_keys(keys=list(keys))
