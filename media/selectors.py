"""Reads of Media. A media document is what every answer shows of a picture:

{"id", "type", "url", "width", "height", "original_width", "original_height", "blurhash", "alt",
"variants": {"thumb", "small", "medium"}, "webp": {"thumb", "srcset"}}

The original size is left out where it is not known: in old rows, and in posts' records that were
cached before it was recorded (they live a day). So is `webp`. Then `medium` is the full picture,
or left out of these records.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from core.http.problems import NotFound
from core.sql import all_found, first_found
from media.models import Media
from media.storage import public_url, variant_key
from media.variants import MEDIUM_WIDTH, SMALL_WIDTH, VARIANTS

__all__ = ["documents_of_posts", "media_document", "own_media", "public_url"]


def media_document(media: Media) -> dict[str, Any]:
    """The document of a loaded media."""
    addresses = _addresses(media.storage_prefix)
    original = {"original_width": media.original_width, "original_height": media.original_height}
    return {
        "id": str(media.pk),
        "type": "image",
        "url": addresses["full.jpg"],
        "width": media.width,
        "height": media.height,
        **{name: side for name, side in original.items() if side is not None},
        "blurhash": media.blurhash,
        "alt": media.alt,
        "variants": {
            "thumb": addresses["thumb.jpg"],
            "small": addresses["small.jpg"],
            "medium": addresses["medium.jpg" if media.has_webp else "full.jpg"],
        },
        **({"webp": _webp(addresses, width=media.width)} if media.has_webp else {}),
    }


def _addresses(prefix: str) -> dict[str, str]:
    return {variant: public_url(variant_key(prefix, variant)) for variant in VARIANTS}


def _webp(addresses: Mapping[str, str], *, width: int) -> dict[str, str]:
    """The WebPs of a picture whose full variant has this width."""
    widths = {"small": min(SMALL_WIDTH, width), "medium": min(MEDIUM_WIDTH, width), "full": width}
    # Of variants that are equally wide, one is enough.
    names = {side: name for name, side in reversed(widths.items())}
    candidates = [f"{addresses[f'{name}.webp']} {side}w" for side, name in sorted(names.items())]
    return {"thumb": addresses["thumb.webp"], "srcset": ", ".join(candidates)}


def own_media(*, media_id: int, owner_id: int) -> dict[str, Any]:
    """The document of an upload, for its owner; raises `NotFound` for other users."""
    mine = Media.objects.filter(pk=media_id, owner_id=owner_id).exclude(place="arriving")
    media = first_found(mine.first)
    if media is None:
        raise NotFound("You have no such media.")
    return media_document(media)


def documents_of_posts(*, post_ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """The media documents of posts, in order, by post id; one query.

    Every post has media. So the primary is asked for posts that have none on the replica.
    """
    return all_found(_read_documents_of_posts, post_ids) if post_ids else {}


def _read_documents_of_posts(post_ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    documents: dict[int, list[dict[str, Any]]] = {}
    used = Media.objects.filter(used_as=Media.Use.POST, used_by_id__in=post_ids)
    for media in used.order_by("used_by_id", "position"):
        documents.setdefault(media.used_by_id or 0, []).append(media_document(media))
    return documents
