"""The structure of a HEIF: HEIC, whose pixels are HEVC, and AVIF (ISO/IEC 23008-12).

    ftyp   the kinds that the file claims to be
    meta   hdlr  pitm (the primary item)
           iinf { infe: one item: a picture, a tile, a grid of tiles, EXIF }
           iloc (where the bytes of each item are)  idat (bytes of small items)
           iref (which items belong together)  iprp { ipco { properties }  ipma (of which item) }
    mdat   the bytes of the items

The primary item is the picture. Phones cut a large one into tiles: it is a `grid` of items then.
What else is in the file (thumbnails, depth, gain maps, bursts) is not decoded. A file that lacks
bytes of its picture is refused: decoders hide what they lack, and do not say how much it is.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from media.structure.boxes import MAX_BOXES, Box, Reader, boxes
from media.structure.limits import (
    DAMAGED,
    MAX_EXIF_BYTES,
    MAX_METADATA_BYTES,
    NotAnImageError,
    check_size,
    refuse_excess,
)

_HEIC = frozenset({b"heic", b"heix", b"heim", b"heis"})
_AVIF = frozenset({b"avif"})
_SEQUENCES = frozenset({b"hevc", b"hevx", b"hevm", b"hevs", b"avis", b"msf1"})
# 200 megapixels in tiles of 512 x 512 are 780.
MAX_ITEMS = 2048
MAX_PROPERTIES = 512
# Links of one item to others: the tiles of a grid, and of all items.
MAX_LINKS = 8192
# The head of such a file is 60 KB. Decoders copy parts of it.
MAX_META_BYTES = 1024 * 1024
# An item may be in several pieces; encoders write one.
MAX_EXTENTS = 8192
_TILES = frozenset({b"hvc1", b"av01"})
_PICTURES = _TILES | {b"grid"}
# Others that are made from items; no phone makes one the picture.
_DERIVED = frozenset({b"iden", b"iovl", b"tmap"})


@dataclass
class _Meta:
    """What the `meta` box tells of the items, by their ids."""

    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    # Where the bytes of the items are in the file: start and length.
    extents: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    # The tiles of a grid, in order.
    tiles: dict[int, list[int]] = field(default_factory=dict)
    properties: list[Box] = field(default_factory=list)
    # The numbers of an item's properties, from 1 on.
    properties_of: dict[int, list[int]] = field(default_factory=dict)


def is_heic(content: bytes) -> bool:
    """Whether the content begins as a HEIC does."""
    return bool(_HEIC & _brands(content)) and not is_avif(content)


def is_avif(content: bytes) -> bool:
    """Whether the content begins as an AVIF does."""
    return bool(_AVIF & _brands(content))


def check_heif(content: bytes, *, max_pixels: int, max_frames: int) -> None:
    """Raise the errors of `check_structure` for a HEIC or an AVIF; see the limits above."""
    if content[8:12] in _SEQUENCES:
        raise NotAnImageError("Animated images are not supported")
    meta = _meta(content)
    kind = meta.kinds.get(meta.primary)
    if kind in _DERIVED:
        raise NotAnImageError("A picture that is put together from others is not supported")
    if kind not in _PICTURES:
        raise NotAnImageError(DAMAGED)
    width, height = _size(content, meta, meta.primary)
    check_size(width, height, file_bytes=len(content), max_pixels=max_pixels)
    parts = meta.tiles.get(meta.primary, []) if kind == b"grid" else [meta.primary]
    _check_tiles(content, meta, parts, most=max_pixels)
    for part in set(parts):
        _check_is_there(content, meta, part)
    metadata = sum(box.end - box.start for box in meta.properties if box.name == b"colr")
    for item, kind in meta.kinds.items():
        length = sum(length for _, length in meta.extents.get(item, ()))
        if kind == b"Exif" and length > MAX_EXIF_BYTES:
            raise refuse_excess("bytes of exif", MAX_EXIF_BYTES)
        metadata += length if kind in {b"Exif", b"mime"} else 0
    if metadata > MAX_METADATA_BYTES:
        raise refuse_excess("bytes of metadata", MAX_METADATA_BYTES)


def _check_tiles(content: bytes, meta: _Meta, parts: list[int], *, most: int) -> None:
    """Refuse a picture without pixels, or whose tiles have more than twice `most` pixels together.

    They may have more than the picture: those at the right and at the bottom reach over the edge.
    """
    if not parts or any(meta.kinds.get(part) not in _TILES for part in parts):
        raise NotAnImageError(DAMAGED)
    # A tile may be there many times.
    sizes = {part: math.prod(_size(content, meta, part)) for part in set(parts)}
    if not all(sizes.values()) or sum(sizes[part] for part in parts) > 2 * most:
        raise NotAnImageError(DAMAGED)


def _check_is_there(content: bytes, meta: _Meta, item: int) -> None:
    extents = meta.extents.get(item)
    if not extents:
        raise NotAnImageError(DAMAGED)
    if any(start + length > len(content) for start, length in extents):
        raise NotAnImageError("The image is incomplete: bytes at its end are missing")


def coded_colours(content: bytes) -> tuple[int, int] | None:
    """The numbers of the primaries and of the transfer function of the picture (`colr`, ITU-T
    H.273), of a file that `check_heif` has accepted; None if it does not tell.
    """
    meta = _meta(content)
    for item in (meta.primary, *meta.tiles.get(meta.primary, ())[:1]):
        for box in _properties(meta, item, b"colr"):
            reader = Reader(content, box)
            if reader.take(4) == b"nclx":
                return reader.number(2), reader.number(2)
    return None


def _size(content: bytes, meta: _Meta, item: int) -> tuple[int, int]:
    """The size that an item claims, in pixels."""
    for box in _properties(meta, item, b"ispe"):
        reader = Reader(content, box)
        reader.version()
        return reader.number(4), reader.number(4)
    raise NotAnImageError(DAMAGED)


def _properties(meta: _Meta, item: int, name: bytes) -> Iterator[Box]:
    """The properties of an item that have this name."""
    for number in meta.properties_of.get(item, ()):
        if 0 < number <= len(meta.properties) and meta.properties[number - 1].name == name:
            yield meta.properties[number - 1]


def _brands(content: bytes) -> set[bytes]:
    """The kinds that the file claims to be; none if it is no such file."""
    if content[4:8] != b"ftyp":
        return set()
    length = min(int.from_bytes(content[:4], "big"), 256)
    return {content[at : at + 4] for at in (8, *range(16, length, 4))}


def _meta(content: bytes) -> _Meta:
    for box in boxes(content, 0, len(content)):
        if box.name == b"meta":
            break
    else:
        raise NotAnImageError(DAMAGED)
    if box.end - box.start > MAX_META_BYTES:
        raise refuse_excess("bytes in its head", MAX_META_BYTES)
    reader, meta = Reader(content, box), _Meta()
    reader.version()
    rest = reader.rest()
    read = {
        b"pitm": _read_primary,
        b"iinf": _read_kinds,
        b"iloc": _read_extents,
        b"iref": _read_tiles,
        b"iprp": _read_properties,
    }
    for child in _children(content, rest, MAX_BOXES, "boxes"):
        if child.name in read:
            read[child.name](content, child, meta)
    return meta


def _read_primary(content: bytes, box: Box, meta: _Meta) -> None:
    reader = Reader(content, box)
    meta.primary = reader.number(2 if reader.version() == 0 else 4)


def _read_kinds(content: bytes, box: Box, meta: _Meta) -> None:
    reader = Reader(content, box)
    reader.number(2 if reader.version() == 0 else 4)
    for infe in _children(content, reader.rest(), MAX_ITEMS, "items"):
        entry = Reader(content, infe)
        version = entry.version()
        if version >= 2:  # older ones have no kind
            item = entry.number(2 if version == 2 else 4)
            entry.take(2)
            meta.kinds[item] = entry.take(4)


def _read_extents(content: bytes, box: Box, meta: _Meta) -> None:
    reader = Reader(content, box)
    version = reader.version()
    sizes = reader.number(2)
    offset_size, length_size, base_size, index_size = (
        sizes >> shift & 15 for shift in (12, 8, 4, 0)
    )
    id_size = 4 if version == 2 else 2
    left = MAX_EXTENTS
    for _ in range(reader.number(id_size)):
        item = reader.number(id_size)
        # 0: the offsets count from the start of the file.
        method = reader.number(2) & 15 if version else 0
        reader.take(2)
        base = reader.number(base_size)
        count = reader.number(2)
        left -= max(1, count)
        if left < 0:
            raise refuse_excess("pieces of items", MAX_EXTENTS)
        found = []
        for _ in range(count):
            if version:
                reader.take(index_size)
            found.append((base + reader.number(offset_size), reader.number(length_size)))
        if method == 0:
            meta.extents[item] = found


def _read_tiles(content: bytes, box: Box, meta: _Meta) -> None:
    reader = Reader(content, box)
    size = 2 if reader.version() == 0 else 4
    left = MAX_LINKS
    for link in _children(content, reader.rest(), MAX_ITEMS, "links"):
        entry = Reader(content, link)
        item, count = entry.number(size), entry.number(2)
        left -= count
        if left < 0:
            raise refuse_excess("links between items", MAX_LINKS)
        others = [entry.number(size) for _ in range(count)]
        if link.name == b"dimg":
            meta.tiles[item] = others


def _read_properties(content: bytes, box: Box, meta: _Meta) -> None:
    for child in _children(content, box, MAX_BOXES, "boxes"):
        if child.name == b"ipco":
            meta.properties.extend(_children(content, child, MAX_PROPERTIES, "properties"))
        elif child.name == b"ipma":
            reader = Reader(content, child)
            version = reader.version()
            # The lowest flag says that the numbers have 15 bits, and not 7.
            wide = content[child.start + 3] & 1
            left = MAX_LINKS
            for _ in range(reader.number(4)):
                item = reader.number(2 if version == 0 else 4)
                count = reader.number(1)
                left -= max(1, count)
                if left < 0:
                    raise refuse_excess("properties of items", MAX_LINKS)
                numbers = [reader.number(2 if wide else 1) for _ in range(count)]
                # The highest bit says that a reader must understand the property.
                meta.properties_of[item] = [n & (0x7FFF if wide else 0x7F) for n in numbers]


def _children(content: bytes, parent: Box, most: int, what: str) -> Iterator[Box]:
    """The boxes in a box, all of which must be there."""
    end = min(parent.end, len(content))
    for number, box in enumerate(boxes(content, parent.start, end, most=most + 1)):
        if number == most:
            raise refuse_excess(what, most)
        if box.end > end:
            raise NotAnImageError(DAMAGED)
        yield box
