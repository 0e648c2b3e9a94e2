"""The structure of a PNG: chunks (W3C, Portable Network Graphics, section 5).

A signature, then chunks: a length of four bytes, a type of four letters, content, a checksum. The
first chunk is IHDR with the size, IDAT chunks have the pixels, IEND is the last one. All others are
ancillary, for the decoder and for us, except PLTE.
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

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">I4s")
# Encoders write IDATs of 8 KiB and more. The decoder takes a Python step for each, and this allows
# ten megabytes of 640 bytes each.
MAX_IDATS = 16 * 1024
# Some encoders end with one.
MAX_EMPTY_IDATS = 16
# All other chunks: real pictures have some tens.
MAX_OTHER_CHUNKS = 1000
# Compressed chunks: each may grow to a megabyte. Image editors write some raw profiles.
MAX_COMPRESSED_TEXTS = 32
# Of these the specification allows one. The decoder would do its work for each.
_SINGLE = frozenset({b"IHDR", b"PLTE", b"iCCP", b"eXIf", b"acTL"})
# Of the first frame, and of the others of an APNG.
_PIXELS = frozenset({b"IDAT", b"fdAT"})
_COMPRESSED = frozenset({b"zTXt", b"iTXt"})


def is_png(content: bytes) -> bool:
    """Whether the content begins as a PNG does."""
    return content.startswith(_SIGNATURE)


def check_png(content: bytes, *, max_pixels: int, max_frames: int) -> None:
    """Raise the errors of `check_structure` for a PNG; see the limits above."""
    counted = _Counted(max_frames)
    for name, start, length in all_chunks(content):
        if not counted.seen:
            if name != b"IHDR" or length != 13 or start + length > len(content):
                raise NotAnImageError(DAMAGED)
            width, height = struct.unpack_from(">II", content, start)
            check_size(width, height, file_bytes=len(content), max_pixels=max_pixels)
        counted.add(name, length)
        # The number of frames of an APNG.
        if name == b"acTL" and int.from_bytes(content[start : start + 4], "big") > max_frames:
            raise refuse_frames(max_frames)
    if not counted.seen:
        raise NotAnImageError(DAMAGED)


def all_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The chunks before IEND: name, where the content begins, and its length by the header. The
    last one may be cut off.
    """
    at = len(_SIGNATURE)
    while at + _HEADER.size <= len(content):
        length, name = _HEADER.unpack_from(content, at)
        if name == b"IEND":
            return
        yield name, at + _HEADER.size, length
        at += _HEADER.size + length + 4  # the checksum


class _Counted:
    """The chunks so far."""

    def __init__(self, max_frames: int) -> None:
        # Each frame has a header.
        self._most_others = MAX_OTHER_CHUNKS + max_frames
        self.seen: set[bytes] = set()
        self.idats = self.empty_idats = self.others = self.texts = self.metadata = 0

    def add(self, name: bytes, length: int) -> None:
        """Count a chunk; raises `NotAnImageError` beyond a limit."""
        if name in _PIXELS:
            self.idats += 1
            self.empty_idats += not length
            if self.idats > MAX_IDATS:
                raise refuse_excess("chunks of pixels", MAX_IDATS)
            if self.empty_idats > MAX_EMPTY_IDATS:
                raise refuse_excess("empty chunks of pixels", MAX_EMPTY_IDATS)
            return
        if name in _SINGLE and name in self.seen:
            raise NotAnImageError(DAMAGED)
        self.seen.add(name)
        self.others += 1
        self.texts += name in _COMPRESSED
        self.metadata += length
        if self.others > self._most_others:
            raise refuse_excess("chunks besides its pixels", self._most_others)
        if self.texts > MAX_COMPRESSED_TEXTS:
            raise refuse_excess("compressed texts", MAX_COMPRESSED_TEXTS)
        if self.metadata > MAX_METADATA_BYTES:
            raise refuse_excess("bytes of metadata", MAX_METADATA_BYTES)
        if name == b"eXIf" and length > MAX_EXIF_BYTES:
            raise refuse_excess("bytes of exif", MAX_EXIF_BYTES)
