"""Pictures as the release before WebPs has stored them: three JPEGs, the thumb of 150 pixels."""

from typing import Any

from django.core.files.storage import storages

from media import storage
from media.models import Media
from media.variants import VARIANTS
from tests.support.images import encoded, plain

OLD_VARIANTS = {"full.jpg", "small.jpg", "thumb.jpg"}


def make_old(media: Media) -> Media:
    """Make the row and the objects of a stored picture those of the older release."""
    put(media, "thumb.jpg", encoded(plain((150, 150))))
    storage.remove_objects(
        prefixes=[media.storage_prefix], variants=sorted({*VARIANTS} - OLD_VARIANTS)
    )
    Media.objects.filter(pk=media.pk).update(has_webp=False)
    return Media.objects.get(pk=media.pk)


def put(media: Media, variant: str, content: bytes) -> None:
    """Replace an object of a picture, which this project itself never does."""
    store: Any = storages["default"]
    store.connection.meta.client.put_object(
        Bucket=store.bucket_name,
        Key=storage.variant_key(media.storage_prefix, variant),
        Body=content,
        ContentType="image/jpeg",
    )
