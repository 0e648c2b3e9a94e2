"""Small programs that make files which cost a decoder much, and what a scan says of them."""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from tests.support.boxes import box, grid, heif, item, link, place, properties_of, size_of
from tests.support.images import chunk, encoded, padded_jpeg, plain

# As large as an upload may be.
MEGABYTES = 10
BYTES = MEGABYTES * 1024 * 1024 - 64 * 1024


def segment(marker: int, content: bytes) -> bytes:
    """A segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, 2 + len(content)) + content


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """A JPEG with these bytes behind its first marker."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def in_the_scan(jpeg: bytes, content: bytes) -> bytes:
    """A JPEG with these bytes in the pixels of its last scan."""
    at = jpeg.rindex(b"\xff\xda")
    at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return jpeg[:at] + content + jpeg[at:]


def with_chunks(png: bytes, *chunks: bytes) -> bytes:
    """A PNG with these chunks before its pixels."""
    at = png.index(b"IDAT") - 4
    return png[:at] + b"".join(chunks) + png[at:]


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP of these chunks."""
    parts = [b"WEBP"]
    for name, content in chunks:
        parts += [name, struct.pack("<I", len(content)), content, b"\0" * (len(content) % 2)]
    body = b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def lossless_header(width: int, height: int) -> bytes:
    """The content of a VP8L chunk that claims this size, and has nine bytes more."""
    bits = (width - 1) | (height - 1) << 14
    return b"\x2f" + struct.pack("<I", bits) + bytes.fromhex("071011fd0f4444ff03")


def gif(
    *,
    size: tuple[int, int] = (64, 48),
    frame: tuple[int, int] = (64, 48),
    frames: int = 1,
    comment: bytes = b"",
    comments: bytes = b"",
) -> bytes:
    """A GIF with such frames, whose pixels are none, behind a comment of these sub-blocks."""
    picture = b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\x02\x04abcd\0"
    head = b"GIF89a" + struct.pack("<HHBBB", *size, 0x80, 0, 0) + bytes(6)
    return head + b"!\xfe" + comment + b"\0" + comments + picture * frames + b";"


@dataclass(frozen=True)
class Hostile:
    """How to make a file, and what its refusal says."""

    make: Callable[[], bytes]
    reason: str


def _jpeg(content: bytes, reason: str) -> Hostile:
    """As many repetitions of the content as an upload may have, in the header of a JPEG."""
    times = BYTES // len(content)
    return Hostile(lambda: with_segments(encoded(plain()), content * times), reason)


def _scan(content: bytes, reason: str) -> Hostile:
    times = BYTES // len(content)
    return Hostile(lambda: in_the_scan(encoded(plain()), content * times), reason)


def _png(content: bytes, reason: str) -> Hostile:
    times = BYTES // len(content)
    return Hostile(lambda: with_chunks(encoded(plain(), "PNG"), content * times), reason)


_BOMB = zlib.compress(bytes(1_000_000), 9)
_FRAME = encoded(plain())
_HEADER_ONLY = _FRAME[: _FRAME.index(b"\xff\xda")]

HOSTILE = {
    "fill bytes": Hostile(lambda: padded_jpeg(BYTES), "padding"),
    "FF00": _jpeg(b"\xff\0", "padding"),
    "junk between segments": _jpeg(segment(0xE5, b"") + bytes(99), "padding"),
    "empty APP5": _jpeg(segment(0xE5, b""), "segments"),
    "full APP5": _jpeg(segment(0xE5, bytes(65_000)), "bytes of metadata"),
    "empty COM": _jpeg(segment(0xFE, b""), "segments"),
    "full COM": _jpeg(segment(0xFE, bytes(65_000)), "bytes of comments"),
    "Photoshop resources": _jpeg(
        segment(0xED, b"Photoshop 3.0\0" + b"8BIM\4\4\0\0\0\0\0\0" * 5400), "bytes of photoshop"
    ),
    "quantization tables": _jpeg(segment(0xDB, bytes(65 * 1000)), "bytes of tables"),
    "long EXIF": _jpeg(segment(0xE1, b"Exif\0\0MM\0*" + bytes(65_000)), "bytes of exif"),
    "many SOI": _jpeg(b"\xff\xd8", "damaged"),
    "restart markers": _jpeg(b"\xff\xd0", "damaged"),
    "extensions": _jpeg(segment(0xF0, bytes(65_000)), "damaged"),
    "two frames": Hostile(lambda: _HEADER_ONLY + _HEADER_ONLY[2:] + b"\xff\xda", "damaged"),
    "end before the pixels": Hostile(lambda: _HEADER_ONLY + b"\xff\xd9" + bytes(BYTES), "damaged"),
    "fill bytes in a scan": _scan(b"\xff", "bytes of FF"),
    "FF00 in a scan": _scan(b"\xff\0", "bytes of FF"),
    "restart markers in a scan": _scan(b"\xff\xd0", "bytes of FF"),
    "many scans": Hostile(
        lambda: _FRAME[:-2] + _FRAME[_FRAME.index(b"\xff\xda") : -2] * 60 + _FRAME[-2:], "scans"
    ),
    "empty IDATs": _png(chunk(b"IDAT", b""), "empty chunks of pixels"),
    "tiny IDATs": _png(chunk(b"IDAT", b"x"), "chunks of pixels"),
    "empty private chunks": _png(chunk(b"prVt", b""), "chunks besides its pixels"),
    "full private chunks": _png(chunk(b"prVt", bytes(100_000)), "bytes of metadata"),
    "compressed texts": _png(chunk(b"zTXt", b"key\0\0" + _BOMB), "compressed texts"),
    "compressed international texts": _png(
        chunk(b"iTXt", b"key\0\1\0\0\0" + _BOMB), "compressed texts"
    ),
    "colour profiles": _png(chunk(b"iCCP", b"key\0\0" + _BOMB), "damaged"),
    "PNG with long EXIF": _png(chunk(b"eXIf", b"MM\0*" + bytes(300_000)), "bytes of exif"),
    "PNG of two headers": _png(chunk(b"IHDR", bytes(13)), "damaged"),
    "34 bytes of WebP": Hostile(
        lambda: riff((b"VP8L", lossless_header(16_383, 1_500))), "its file has only"
    ),
    "34 bytes in a frame": Hostile(
        lambda: riff(
            (b"VP8X", bytes(4) + (99).to_bytes(3, "little") * 2),
            (b"ANMF", b"\xff" * 16 + b"VP8L\x0e\0\0\0" + lossless_header(16_383, 1_500)),
        ),
        "its file has only",
    ),
    "chunks of WebP": Hostile(lambda: riff(*[(b"abcd", b"")] * 100_000), "chunks"),
    "frames of WebP": Hostile(
        lambda: riff(*[(b"ANMF", b"\xff" * 16 + b"VP8L\x0e\0\0\0" + lossless_header(9, 9))] * 9),
        "Animated",
    ),
    "34 bytes of a large HEIC": Hostile(
        lambda: heif(properties=[size_of((6000, 4900))], pixels=bytes(34)), "its file has only"
    ),
    "boxes of HEIC": Hostile(lambda: heif(more=box(b"free") * 100_000), "boxes"),
    "boxes before a HEIC": Hostile(lambda: heif()[:24] + box(b"free") * 99 + heif()[24:], "boxes"),
    "a long head": Hostile(lambda: heif(more=box(b"free", bytes(BYTES))), "bytes in its head"),
    "items": Hostile(lambda: heif(items=[item(1, b"hvc1")] * 40_000), "items"),
    "properties": Hostile(lambda: heif(properties=[size_of((9, 9))] * 40_000), "properties"),
    "properties of items": Hostile(
        lambda: heif(associations=[properties_of(1, *[1] * 255)] * 400), "properties of items"
    ),
    "pieces of items": Hostile(lambda: heif(places=[place(1, 0, 9)] * 50_000), "pieces of items"),
    "items without pieces": Hostile(
        lambda: heif(places=[struct.pack(">HHH", 7, 0, 0)] * 60_000), "pieces of items"
    ),
    "a head that ends behind itself": Hostile(
        lambda: heif().replace(b"meta\0\0\0\0", b"meta\0\0\0\0\0\xff\xff\xfffree"), "damaged"
    ),
    "a picture of another picture": Hostile(lambda: heif(items=[item(1, b"iden")]), "put together"),
    "links": Hostile(lambda: heif(links=link(b"dimg", 1, [2] * 500) * 99), "links between items"),
    "a grid of large tiles": Hostile(
        lambda: grid(900, tile=(4096, 4096), size=(4000, 3000)) + bytes(2000), "damaged"
    ),
    "a grid in itself": Hostile(
        lambda: heif(items=[item(1, b"grid")], links=link(b"dimg", 1, [1])), "damaged"
    ),
    "a grid without tiles": Hostile(lambda: heif(items=[item(1, b"grid")]), "damaged"),
    "no primary item": Hostile(lambda: heif(items=[item(7, b"hvc1")]), "damaged"),
    "a text as picture": Hostile(lambda: heif(items=[item(1, b"mime")]), "damaged"),
    "pixels behind the end": Hostile(lambda: heif(places=[place(1, 300, 9999)]), "incomplete"),
    "HEIC with long EXIF": Hostile(
        lambda: heif(
            items=[item(1, b"hvc1"), item(2, b"Exif")],
            places=[place(1, 0, 64), place(2, 0, 300_000)],
            pixels=bytes(300_000),
        ),
        "bytes of exif",
    ),
    "HEIC with long XMP": Hostile(
        lambda: heif(
            items=[item(1, b"hvc1"), item(2, b"mime")],
            places=[place(1, 0, 64), place(2, 0, 9_000_000)],
            pixels=bytes(9_000_000),
        ),
        "bytes of metadata",
    ),
    "a box that ends before it begins": Hostile(
        lambda: heif(more=bytes.fromhex("00000007") + b"free" + bytes(8)), "damaged"
    ),
    "a sequence": Hostile(lambda: heif().replace(b"ftypheic", b"ftyphevc"), "Animated"),
    "sub-blocks of GIF": Hostile(lambda: gif(comment=b"\1x" * 5_000_000), "short blocks"),
    "long comments of GIF": Hostile(
        lambda: gif(comment=(b"\xff" + bytes(255)) * 40_000), "bytes of metadata"
    ),
    "extensions of GIF": Hostile(lambda: gif(comments=b"!\xfe\0" * 3_000_000), "extensions"),
    "GIF of two frames": Hostile(lambda: gif(frames=2), "Animated"),
    "GIF without frames": Hostile(lambda: gif(frames=0), "damaged"),
    "a frame larger than its GIF": Hostile(lambda: gif(frame=(65, 48)), "damaged"),
    "60 bytes of a large GIF": Hostile(
        lambda: gif(size=(6000, 4900), frame=(6000, 4900)), "its file has only"
    ),
    "half a GIF": Hostile(lambda: encoded(plain(), "GIF")[:-30], "incomplete"),
}
