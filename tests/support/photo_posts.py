"""Posts with photos, made in bulk: their rows, and the files that a browser loads."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from media.models import Media
from media.storage import CONTENT_TYPES, client_and_bucket, new_prefix, variant_key
from media.variants import ProcessedImage
from posts.models import Post
from tests.support.feeds import make_many_posts
from tests.support.images import encoded, processed
from tests.support.phone_files import scene

# Upright, square, and lying.
SHAPES = ((1080, 1350), (1080, 1080), (1080, 720))
# The files in the `srcset` of a picture.
LOADED = ("full.webp", "medium.webp", "small.webp")
_SENT_AT_ONCE = 8


def photos(number: int) -> list[ProcessedImage]:
    """So many photos, in the three shapes in turn, as the decoder makes them."""
    scenes = (scene(SHAPES[place % len(SHAPES)], seed=10 * place) for place in range(number))
    return [processed(encoded(picture, quality=90)) for picture in scenes]


def make_photo_posts(
    author_ids: Sequence[int], count: int, *, of: Sequence[ProcessedImage]
) -> list[int]:
    """Insert posts by these authors in turn, without events, each with one of the photos in turn.

    Returns their ids, newest first. Each has files of its own, so a browser loads all of them.
    """
    post_ids = make_many_posts(author_ids, count)
    posts = Post.objects.in_bulk(post_ids)
    shown = [of[place % len(of)] for place in range(count)]
    media = [_media(posts[id_], photo) for id_, photo in zip(post_ids, shown, strict=True)]
    Media.objects.bulk_create(media)
    client, bucket = client_and_bucket()

    def send(place: int, variant: str) -> None:
        client.put_object(
            Bucket=bucket,
            Key=variant_key(media[place].storage_prefix, variant),
            Body=shown[place].variants[variant],
            ContentType=CONTENT_TYPES["webp"],
        )

    files = [(place, variant) for place in range(count) for variant in LOADED]
    with ThreadPoolExecutor(_SENT_AT_ONCE) as pool:
        list(pool.map(lambda file: send(*file), files))
    return post_ids


def _media(post: Post, photo: ProcessedImage) -> Media:
    return Media(
        owner_id=post.author_id,
        width=photo.width,
        height=photo.height,
        byte_size=sum(map(len, photo.variants.values())),
        has_webp=True,
        blurhash=photo.blurhash,
        alt="The beach at low tide.",
        storage_prefix=new_prefix(),
        used_as=Media.Use.POST,
        used_by_id=post.pk,
        position=0,
    )
