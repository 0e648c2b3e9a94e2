"""Small programs that make files which cost a decoder much, and what a scan says of them."""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

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
        lambda: riff((b"VP8L", lossless_header(16_383, 1_831))), "its file has only"
    ),
    "34 bytes in a frame": Hostile(
        lambda: riff(
            (b"VP8X", bytes(4) + (99).to_bytes(3, "little") * 2),
            (b"ANMF", b"\xff" * 16 + b"VP8L\x0e\0\0\0" + lossless_header(16_383, 1_831)),
        ),
        "its file has only",
    ),
    "chunks of WebP": Hostile(lambda: riff(*[(b"abcd", b"")] * 100_000), "chunks"),
    "frames of WebP": Hostile(
        lambda: riff(*[(b"ANMF", b"\xff" * 16 + b"VP8L\x0e\0\0\0" + lossless_header(9, 9))] * 9),
        "Animated",
    ),
}
