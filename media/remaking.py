"""Makes the variants that a media of an older release lacks: a medium one, and a WebP of each.

The upload was not kept, so they are made from `full.jpg`. An address never changes its content, so
all variants get a new prefix. A second row, which is `arriving`, names it before anything is stored
there; whatever dies, `services.remove_dead_uploads` finds that row. One transaction gives the
prefix to the media, deletes the second row, and has the objects at the former prefix removed.
"""

from datetime import timedelta

from django.db import transaction

from core.http.problems import NotFound, Unavailable
from media import storage
from media.decoding import decode_image
from media.events import (
    AvatarRemade,
    MediaChanged,
    MediaRemoved,
    avatar_remade,
    media_changed,
    media_removed,
)
from media.models import Media
from media.variants import ProcessedImage

# Answers that were made before a change still name the former addresses, and whoever has one loads
# its pictures as they scroll. Meanwhile, a deletion or a deactivation does not reach these objects.
_AFTER_THE_LAST_ANSWER = timedelta(seconds=30)


def remake_media(*, media_id: int) -> bool:
    """Make all variants of a picture that lacks some; returns False if that has changed meanwhile:
    it is deleted or withheld, or another process has made them.

    Call it outside of transactions. It may die at any moment. Raises `NotFound` if the full picture
    is lost; the errors of `decode_image`; `Unreachable` if the object store does not answer, and
    `Unavailable` if it does so too slowly.
    """
    public = Media.objects.filter(place=Media.Place.PUBLIC, is_confidential=False)
    lacking = public.filter(pk=media_id, has_webp=False)
    media = lacking.first()
    if media is None:
        return False
    full = storage.read_object(key=storage.variant_key(media.storage_prefix, "full.jpg"))
    if full is None:
        if not lacking.filter(storage_prefix=media.storage_prefix).exists():
            return False
        raise NotFound("Its full.jpg is not in the object store.")
    image = decode_image(full)
    variants = dict(image.variants)
    if (image.width, image.height) == (image.original_width, image.original_height):
        # Encoded again, it would only lose.
        variants["full.jpg"] = full
    arriving = _new_row(media, image, byte_size=sum(map(len, variants.values())))
    storage.put_variants(prefix=arriving.storage_prefix, variants=variants)
    return _switch(media, arriving)


def _new_row(media: Media, image: ProcessedImage, *, byte_size: int) -> Media:
    """The row that names the new prefix, and has what changes of the media."""
    return Media.objects.create(
        owner_id=media.owner_id,
        width=image.width,
        height=image.height,
        byte_size=byte_size,
        has_webp=True,
        blurhash=media.blurhash,
        storage_prefix=storage.new_prefix(),
        place=Media.Place.ARRIVING,
    )


def _switch(media: Media, arriving: Media) -> bool:
    """Give a media what the other row has, unless it has changed meanwhile."""
    with transaction.atomic(using="posts"):
        both = Media.objects.filter(pk__in=[media.pk, arriving.pk])
        rows = {row.pk: row for row in both.select_for_update().order_by("pk")}
        now = rows.get(media.pk)
        is_public = now and now.place == Media.Place.PUBLIC and not now.is_confidential
        if now and (now.has_webp or not is_public):
            now = None
        Media.objects.filter(pk=arriving.pk).delete()
        if now and arriving.pk in rows:
            Media.objects.filter(pk=now.pk).update(
                storage_prefix=arriving.storage_prefix,
                width=arriving.width,
                height=arriving.height,
                byte_size=arriving.byte_size,
                has_webp=True,
            )
            _announce(now, former_prefix=now.storage_prefix)
            return True
        media_removed.announce(MediaRemoved([arriving.storage_prefix]))
    if now:
        raise Unavailable("The object store has answered too slowly. Run this again.")
    return False


def _announce(media: Media, *, former_prefix: str) -> None:
    """Tell those who show a media that its addresses have changed, and then have the objects at the
    former ones removed; in the caller's transaction.
    """
    if media.used_as == Media.Use.AVATAR and media.used_by_id is not None:
        avatar_remade.announce(AvatarRemade(media.used_by_id, media.pk, former_prefix))
        return
    if media.used_as == Media.Use.POST and media.used_by_id is not None:
        media_changed.announce(MediaChanged(media_id=media.pk, post_id=media.used_by_id))
    _announce_former(former_prefix)


def remove_former_objects(*, prefix: str) -> None:
    """Have the objects at a former prefix of an avatar removed, once nobody is shown them."""
    with transaction.atomic(using="posts"):
        _announce_former(prefix)


def _announce_former(prefix: str) -> None:
    media_removed.announce(MediaRemoved([prefix]), after=_AFTER_THE_LAST_ANSWER)


def thumbnail_key(*, media_id: int) -> str | None:
    """The object key of a media's thumbnail, as `claim_avatar` returns it; None if it is gone."""
    prefix = Media.objects.filter(pk=media_id).values_list("storage_prefix", flat=True).first()
    return None if prefix is None else storage.variant_key(prefix, "thumb.jpg")
