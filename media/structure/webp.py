"""The structure of a WebP: chunks of a RIFF file (Google, WebP Container Specification).

    "RIFF" size "WEBP"  chunks: a name of four letters, a length (little-endian), content, padding

A simple file has one chunk with the pixels, `VP8 ` or `VP8L`. An extended one begins with `VP8X`,
which claims the size of the canvas; an animation has its frames in `ANMF` chunks.
"""

import struct
from collections.abc import Iterator

from media.structure.limits import (
    DAMAGED,
    MAX_EXIF_BYTES,
    MAX_METADATA_BYTES,
    NotAnImageError,
    check_size,
    refuse_excess,
    refuse_frames,
)

_RIFF_HEADER = 12
_HEADER = struct.Struct("<4sI")
# A still has seven at most, and some that the specification does not know.
MAX_CHUNKS = 64
_METADATA = frozenset({b"ICCP", b"EXIF", b"XMP "})
# The chunks with the pixels.
PIXELS = frozenset({b"VP8 ", b"VP8L"})
# The part of an ANMF chunk before its own chunks.
_FRAME_HEADER = 16
# The frame, its transparency, its pixels.
_CHUNKS_OF_FRAME = 3

Size = tuple[int, int]


def is_webp(content: bytes) -> bool:
    """Whether the content begins as a WebP does."""
    return content.startswith(b"RIFF") and content[8:12] == b"WEBP"


def check_webp(content: bytes, *, max_pixels: int, max_frames: int) -> None:
    """Raise the errors of `check_structure` for a WebP; see the limits above."""
    canvas: Size | None = None
    frames: list[Size] = []
    metadata = 0
    for name, start, length in all_chunks(content, max_frames=max_frames):
        if name == b"VP8X":
            canvas = _canvas(content[start : start + length])
            check_size(*canvas, file_bytes=len(content), max_pixels=max_pixels)
        elif name in PIXELS:
            frames.append(_picture(name, content[start : start + 10]))
        elif name in _METADATA:
            metadata += length
            if metadata > MAX_METADATA_BYTES:
                raise refuse_excess("bytes of metadata", MAX_METADATA_BYTES)
            if name == b"EXIF" and length > MAX_EXIF_BYTES:
                raise refuse_excess("bytes of exif", MAX_EXIF_BYTES)
        if len(frames) > max_frames:
            raise refuse_frames(max_frames)
    if not frames:
        raise NotAnImageError(DAMAGED)
    for width, height in frames:
        check_size(width, height, file_bytes=len(content), max_pixels=max_pixels)
        if canvas is not None and (width > canvas[0] or height > canvas[1]):
            raise NotAnImageError(DAMAGED)


def claimed_bytes(content: bytes) -> int:
    """How long the file is by its own header."""
    length: int = struct.unpack_from("<I", content, 4)[0]
    return 8 + length


def all_chunks(content: bytes, *, max_frames: int = 1) -> Iterator[tuple[bytes, int, int]]:
    """All chunks, also those in frames: name, where the content begins, and its length by the
    header. The last one may be cut off. Raises `NotAnImageError` beyond MAX_CHUNKS, and three for
    each frame.
    """
    most = MAX_CHUNKS + _CHUNKS_OF_FRAME * (max_frames - 1)
    until = min(claimed_bytes(content), len(content))
    at = _RIFF_HEADER
    for _ in range(most):
        if at + _HEADER.size > until:
            return
        name, length = _HEADER.unpack_from(content, at)
        start = at + _HEADER.size
        yield name, start, length
        # The chunks of a frame come right after its header.
        at = start + _FRAME_HEADER if name == b"ANMF" else start + length + length % 2
    raise refuse_excess("chunks", most)


def _canvas(chunk: bytes) -> Size:
    """The size of the canvas: four bytes of flags, then width - 1 and height - 1 in 24 bits."""
    if len(chunk) < 10:
        raise NotAnImageError(DAMAGED)
    return (
        1 + int.from_bytes(chunk[4:7], "little"),
        1 + int.from_bytes(chunk[7:10], "little"),
    )


def _picture(name: bytes, chunk: bytes) -> Size:
    """The size in the header of a lossy (RFC 6386, 9.1) or a lossless bitstream."""
    if name == b"VP8L" and len(chunk) >= 5 and chunk[0] == 0x2F:
        bits = int.from_bytes(chunk[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if name == b"VP8 " and len(chunk) >= 10 and chunk[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", chunk, 6)
        return width & 0x3FFF, height & 0x3FFF
    raise NotAnImageError(DAMAGED)
