"""Media documents: what every answer shows of a picture or video.

{"id", "type", "url", "width", "height", "original_width", "original_height", "blurhash", "alt",
"variants": {"thumb", "small", "medium"}, "webp": {"thumb", "srcset"}, "expires_at",
"video": {"sources": [{"url", "width", "height"}, …], "duration_ms", "has_sound", "loops"}}

Only a video has `video`; all else is its poster's. The original size is left out where it is not
known: in old rows, and in posts' records that were cached before it was recorded (they live a day).
So is `webp`. Then `medium` is the full picture, or left out of these records. `expires_at` is there
if the addresses end, because the objects are not public.

A document that is made of a row, or cached, has keys in the place of addresses that end. `shown`
makes addresses of them.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from media import storage
from media.addresses import end_of_signatures, shown_address, signed_address
from media.models import Media
from media.places import prefix_of
from media.variants import MEDIUM_WIDTH, SMALL_WIDTH, VARIANTS

Document = dict[str, Any]


def media_document(media: Media) -> Document:
    """The document of a loaded media, to be `shown`."""
    document = _with_keys(media)
    is_public = storage.is_public(document["url"])
    return _with_addresses(document, storage.public_url) if is_public else document


def _with_keys(media: Media) -> Document:
    prefix = prefix_of(media)
    keys = {variant: storage.variant_key(prefix, variant) for variant in VARIANTS}
    original = {"original_width": media.original_width, "original_height": media.original_height}
    return {
        "id": str(media.pk),
        "type": "video" if media.video else "image",
        "url": keys["full.jpg"],
        "width": media.width,
        "height": media.height,
        **{name: side for name, side in original.items() if side is not None},
        "blurhash": media.blurhash,
        "alt": media.alt,
        "variants": {
            "thumb": keys["thumb.jpg"],
            "small": keys["small.jpg"],
            "medium": keys["medium.jpg" if media.has_webp else "full.jpg"],
        },
        **({"webp": _webp(keys, width=media.width)} if media.has_webp else {}),
        **({"video": _video(media.video, prefix)} if media.video else {}),
    }


def _video(video: Any, prefix: str) -> Document:
    sources = [
        {
            "url": storage.variant_key(prefix, source["name"]),
            "width": source["width"],
            "height": source["height"],
        }
        for source in video["sources"]
    ]
    return {**video, "sources": sources}


def _webp(keys: Mapping[str, str], *, width: int) -> dict[str, str]:
    """The WebPs of a picture whose full variant has this width."""
    widths = {"small": min(SMALL_WIDTH, width), "medium": min(MEDIUM_WIDTH, width), "full": width}
    # Of variants that are equally wide, one is enough.
    names = {side: name for name, side in reversed(widths.items())}
    candidates = [f"{keys[f'{name}.webp']} {side}w" for side, name in sorted(names.items())]
    return {"thumb": keys["thumb.webp"], "srcset": ", ".join(candidates)}


def has_addresses(document: Mapping[str, Any]) -> bool:
    """Whether a document has addresses already, and no keys."""
    return not storage.is_withheld(document["url"])


def shown(document: Document) -> Document:
    """A document for somebody who may see the media."""
    if has_addresses(document):
        return document
    ends_at = datetime.fromtimestamp(end_of_signatures(), UTC)
    return {**_with_addresses(document, signed_address), "expires_at": ends_at}


def _with_addresses(document: Document, address: Callable[[str], str]) -> Document:
    """A document that has keys, with the address of each in its place."""
    changed = {
        "url": address(document["url"]),
        "variants": {name: address(key) for name, key in document["variants"].items()},
    }
    if webp := document.get("webp"):
        candidates = [candidate.split(" ") for candidate in webp["srcset"].split(", ")]
        changed["webp"] = {
            "thumb": address(webp["thumb"]),
            "srcset": ", ".join(f"{address(key)} {width}" for key, width in candidates),
        }
    if video := document.get("video"):
        sources = [{**source, "url": address(source["url"])} for source in video["sources"]]
        changed["video"] = {**video, "sources": sources}
    return {**document, **changed}


def shown_json(documents: bytes) -> bytes:
    """The same for a JSON list of documents."""
    parsed = [shown(document) for document in orjson.loads(documents)]
    return orjson.dumps(parsed, option=orjson.OPT_UTC_Z)


def address_of(media: Media, variant: str) -> str:
    """The address of one object of a media, for somebody who may see it."""
    prefix = prefix_of(media)
    return shown_address(storage.variant_key(prefix, variant))
