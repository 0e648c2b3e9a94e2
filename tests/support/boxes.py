"""Boxes of HEIF files for the tests, made by hand."""

import struct
from collections.abc import Sequence

Size = tuple[int, int]


def box(name: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I", 8 + len(body)) + name + body


def full_box(name: bytes, *content: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(name, struct.pack(">I", version << 24 | flags), *content)


def item(number: int, kind: bytes) -> bytes:
    """`infe`: an item of this kind."""
    return full_box(b"infe", struct.pack(">HH", number, 0), kind, b"\0", version=2)


def place(number: int, start: int, length: int) -> bytes:
    """An entry of `iloc`: where an item's bytes are."""
    return struct.pack(">HHHII", number, 0, 1, start, length)


def size_of(size: Size) -> bytes:
    """`ispe`: a claimed size."""
    return full_box(b"ispe", struct.pack(">II", *size))


def properties_of(number: int, *numbers: int) -> bytes:
    """An entry of `ipma`: an item has these properties, counted from 1."""
    return struct.pack(">HB", number, len(numbers)) + bytes(numbers)


def heif(
    *,
    items: Sequence[bytes] = (item(1, b"hvc1"),),
    places: Sequence[bytes] = (place(1, 0, 64),),
    properties: Sequence[bytes] = (size_of((64, 48)),),
    associations: Sequence[bytes] = (properties_of(1, 1),),
    links: bytes = b"",
    more: bytes = b"",
    pixels: bytes = bytes(64),
) -> bytes:
    """A file with these items. The first one is the picture; its pixels are no picture."""
    return b"".join(
        (
            box(b"ftyp", b"heic", bytes(4), b"mif1heic"),
            full_box(
                b"meta",
                full_box(b"hdlr", bytes(4), b"pict", bytes(13)),
                full_box(b"pitm", struct.pack(">H", 1)),
                full_box(b"iinf", struct.pack(">H", len(items) & 0xFFFF), *items),
                full_box(b"iloc", b"\x44\0", struct.pack(">H", len(places) & 0xFFFF), *places),
                full_box(b"iref", links),
                box(
                    b"iprp",
                    box(b"ipco", *properties),
                    full_box(b"ipma", struct.pack(">I", len(associations)), *associations),
                ),
                more,
            ),
            box(b"mdat", pixels),
        )
    )


def link(kind: bytes, number: int, others: Sequence[int]) -> bytes:
    """An entry of `iref`: from an item to others."""
    return box(kind, struct.pack(f">HH{len(others)}H", number, len(others), *others))


def grid(tiles: int, *, tile: Size, size: Size) -> bytes:
    """A picture of this size that claims to be cut into so many tiles."""
    numbers = range(2, 2 + tiles)
    return heif(
        items=[item(1, b"grid"), *(item(number, b"hvc1") for number in numbers)],
        places=[place(number, 0, 64) for number in numbers],
        properties=[size_of(size), size_of(tile)],
        associations=[properties_of(1, 1), *(properties_of(number, 2) for number in numbers)],
        links=link(b"dimg", 1, numbers),
    )


def tiled(picture: bytes, side: int, columns: int, rows: int) -> bytes:
    """A HEIC that shows a square HEIC again and again, so that a huge one is made at once."""
    at = picture.index(b"hvcC") - 4
    decoder = picture[at : at + int.from_bytes(picture[at : at + 4], "big")]
    pixels = picture[picture.index(b"mdat") + 4 :]
    size = (columns * side, rows * side)
    plan = struct.pack(">4BHH", 0, 0, rows - 1, columns - 1, *size)

    def put_together(start: int) -> bytes:
        return heif(
            items=[item(1, b"grid"), item(2, b"hvc1")],
            places=[place(1, start, len(plan)), place(2, start + len(plan), len(pixels))],
            properties=[size_of(size), size_of((side, side)), decoder],
            associations=[properties_of(1, 1), properties_of(2, 2, 3)],
            links=link(b"dimg", 1, [2] * columns * rows),
            pixels=plan + pixels,
        )

    return put_together(put_together(0).index(plan + pixels))
