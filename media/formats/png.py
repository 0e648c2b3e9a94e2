"""Decodes PNGs, and measures how much of one is there.

Pillow reads the pixels. Which of them are transparent, the colour profile and the EXIF are read
here: Pillow takes texts with these names for them, compares grey of 2, 4 and 16 bits and colours of
16 bits with a transparent value of another scale, and takes no profile over a megabyte.
"""

import io
import struct
import zlib
from functools import reduce
from typing import NamedTuple

from PIL import Image, ImageChops, ImageFile

from media.structure.limits import DAMAGED, MAX_METADATA_BYTES, NotAnImageError, check_share
from media.structure.png import all_chunks

# Of an inflated colour profile. Those for printing have up to some megabytes.
MAX_PROFILE_BYTES = MAX_METADATA_BYTES
_HEADER = struct.Struct(">IIBBxxB")
_HEADER_AT = 16
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
# The passes of an interlaced picture: their first columns and rows, and the steps to the next.
_PASSES = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
_AT_ONCE = 16 * 1024  # bytes that are inflated


def load_png(image: ImageFile.ImageFile, content: bytes) -> Image.Image:
    """The decoded picture in L, LA, RGB or RGBA. Its `info` has at most `icc_profile` and `exif`.

    `image` was opened, and is loaded, with Pillow's LOAD_TRUNCATED_IMAGES. Raises `NotAnImageError`
    if too little is there.
    """
    header = _Header(*_HEADER.unpack_from(content, _HEADER_AT))
    chunks = _first_chunks(content)
    if image.mode == "P" and b"PLTE" not in chunks:
        raise NotAnImageError(DAMAGED)
    image.load()
    picture = _in_channels(image, header, content, chunks.get(b"tRNS"))
    # What the decoder has not reached is zero.
    is_suspect = not any(image.crop((0, header.height - 1, *image.size)).tobytes())
    if header.is_interlaced or is_suspect:
        _fill_in(picture, header, content)
    info = {"icc_profile": _inflated_profile(chunks.get(b"iCCP")), "exif": chunks.get(b"eXIf")}
    picture.info = {name: value for name, value in info.items() if value}
    return picture


class _Header(NamedTuple):
    """IHDR."""

    width: int
    height: int
    depth: int
    colour_type: int
    is_interlaced: int

    def passes(self) -> list[tuple[int, int]]:
        """The number of rows of each pass, and the bytes of a row with its filter."""
        bits = self.depth * _CHANNELS[self.colour_type]
        found = []
        for left, top, across, down in _PASSES if self.is_interlaced else [(0, 0, 1, 1)]:
            columns = -(-(self.width - left) // across)
            rows = -(-(self.height - top) // down)
            if columns > 0 and rows > 0:
                found.append((rows, 1 + -(-columns * bits // 8)))
        return found


def _first_chunks(content: bytes) -> dict[bytes, bytes]:
    """The first chunk of each name, except pixels. Only EXIF may come behind these."""
    found: dict[bytes, bytes] = {}
    for name, start, length in all_chunks(content):
        if name == b"IDAT":
            found.setdefault(name, b"")
        elif b"IDAT" not in found or name == b"eXIf":
            found.setdefault(name, content[start : start + length])
    return found


def _inflated_profile(chunk: bytes | None) -> bytes | None:
    """The profile in an iCCP chunk; None if it is damaged or over MAX_PROFILE_BYTES."""
    _, _, compressed = (chunk or b"").partition(b"\0")
    try:
        profile = zlib.decompressobj().decompress(compressed[1:], MAX_PROFILE_BYTES + 1)
    except zlib.error:
        return None
    return profile if len(profile) <= MAX_PROFILE_BYTES else None


def _in_channels(
    image: Image.Image, header: _Header, content: bytes, transparent: bytes | None
) -> Image.Image:
    """The picture in L, LA, RGB or RGBA; `transparent` is the content of tRNS."""
    image.info = {}
    if image.mode == "P":
        if transparent:
            image.info["transparency"] = transparent[:256]
        return image.convert("RGBA" if transparent else "RGB")
    alpha = _alpha(image, header, content, transparent or b"")
    if image.mode == "I;16":
        image = image.point(lambda value: value / 256).convert("L")
    elif image.mode == "1":
        image = image.convert("L")
    if alpha:
        image.putalpha(alpha)
    return image


def _alpha(
    image: Image.Image, header: _Header, content: bytes, transparent: bytes
) -> Image.Image | None:
    """0 where grey or colour is exactly the transparent one, else 255. None if there is none."""
    channels = _CHANNELS[header.colour_type]
    if channels not in {1, 3} or len(transparent) < 2 * channels:
        return None
    every_bit = (1 << header.depth) - 1
    colour = [value & every_bit for value in struct.unpack_from(f">{channels}H", transparent)]
    if image.mode == "I;16":
        table = [255] * 65_536
        table[colour[0]] = 0
        return image.convert("I").point(table, "L")
    if header.depth == 16:
        same = ImageChops.darker(
            _where(image, [value >> 8 for value in colour]),
            _where(_low_bytes(content), [value & 0xFF for value in colour]),
        )
    else:
        same = _where(
            image.convert("L") if channels == 1 else image,
            [value * 255 // every_bit for value in colour],
        )
    return ImageChops.invert(same)


def _where(image: Image.Image, colour: list[int]) -> Image.Image:
    """255 where the image has this colour, else 0."""
    bands = (
        band.point([255 * (value == wanted) for value in range(256)])
        for band, wanted in zip(image.split(), colour, strict=True)
    )
    return reduce(ImageChops.darker, bands)


def _low_bytes(content: bytes) -> Image.Image:
    """Of the channels of an RGB picture with 16 bits each. Pillow reads the high ones."""
    image = Image.open(io.BytesIO(content), formats=["PNG"])
    image.tile = [image.tile[0]._replace(args="RGB;16L")]
    image.load()
    return image


def _fill_in(picture: Image.Image, header: _Header, content: bytes) -> None:
    """Fill in rows that are missing. Raises `NotAnImageError` if too many are."""
    sizes = [rows * row_bytes for rows, row_bytes in header.passes()]
    there = _inflated_bytes(content, sum(sizes))
    if there == sum(sizes):
        return
    check_share(there / sum(sizes))
    there_of_last = there - sum(sizes[:-1])
    rows = there_of_last // header.passes()[-1][1]
    if not header.is_interlaced:
        picture.paste("white", (0, rows, *picture.size))
        return
    # The last pass brings every second row. Each one becomes as the row above it.
    if there_of_last < 0 or header.height < 2:
        raise NotAnImageError(DAMAGED)
    for row in range(1 + 2 * rows, header.height, 2):
        picture.paste(picture.crop((0, row - 1, header.width, row)), (0, row))


def _inflated_bytes(content: bytes, limit: int) -> int:
    """How many bytes of pixels there are, at most `limit`."""
    # Without the header and checksum of zlib, which may be damaged: browsers do not mind.
    inflater, skip, there = zlib.decompressobj(-zlib.MAX_WBITS), 2, 0
    pieces = (
        content[at : min(at + _AT_ONCE, start + length)]
        for name, start, length in all_chunks(content)
        if name == b"IDAT"
        for at in range(start, min(start + length, len(content)), _AT_ONCE)
    )
    try:
        for piece in pieces:
            data, skip = piece[skip:], max(0, skip - len(piece))
            while data and there < limit and not inflater.eof:
                there += len(inflater.decompress(data, _AT_ONCE))
                data = inflater.unconsumed_tail
    except zlib.error:
        pass
    return min(there, limit)
