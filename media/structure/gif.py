"""The structure of a GIF (CompuServe, Graphics Interchange Format, version 89a).

    "GIF89a" screen [palette]  { 21 label sub-blocks | 2C frame [palette] size sub-blocks }  3B

A sub-block is a length of one byte, 0 at the end, and content.
"""

import struct

from media.structure.limits import (
    DAMAGED,
    MAX_METADATA_BYTES,
    NotAnImageError,
    check_size,
    refuse_excess,
    refuse_frames,
)

_HEADER = 13
_EXTENSION, _FRAME, _END = 0x21, 0x2C, 0x3B
_HAS_PALETTE, _COLOURS = 0x80, 0x07
# Encoders fill sub-blocks up to 255 bytes. So many more may be short.
MAX_SHORT_BLOCKS = 4096
# Besides one for each frame.
MAX_EXTENSIONS = 64


def is_gif(content: bytes) -> bool:
    """Whether the content begins as a GIF does."""
    return content.startswith((b"GIF87a", b"GIF89a"))


def check_gif(content: bytes, *, max_pixels: int, max_frames: int) -> None:
    """Raise the errors of `check_structure` for a GIF; see the limits above.

    All of its picture must be there. A missing end of the file does not matter.
    """
    if len(content) < _HEADER:
        raise NotAnImageError(DAMAGED)
    width, height, flags = struct.unpack_from("<HHB", content, 6)
    check_size(width, height, file_bytes=len(content), max_pixels=max_pixels)
    scan = _Scan(content, _HEADER + _palette_bytes(flags), max_frames)
    frames = extensions = metadata = 0
    while (kind := scan.byte()) not in {_END, None}:
        if kind == _EXTENSION:
            extensions += 1
            if extensions > MAX_EXTENSIONS + max_frames:
                raise refuse_excess("extensions", MAX_EXTENSIONS + max_frames)
            scan.skip(1)
            metadata += scan.sub_blocks()
            if metadata > MAX_METADATA_BYTES:
                raise refuse_excess("bytes of metadata", MAX_METADATA_BYTES)
        elif kind == _FRAME:
            frames += 1
            if frames > max_frames:
                raise refuse_frames(max_frames)
            scan.frame(width, height)
        else:
            raise NotAnImageError(DAMAGED)
    if not frames:
        raise NotAnImageError(DAMAGED)


class _Scan:
    """Walks through the blocks. Raises `NotAnImageError` at the end of the file."""

    def __init__(self, content: bytes, at: int, max_frames: int) -> None:
        self._content, self._at = content, at
        # A frame ends with a short block, and its delay is one.
        self._blocks = MAX_SHORT_BLOCKS + len(content) // 128 + 2 * max_frames

    def byte(self) -> int | None:
        """The next byte; None at the end of the file."""
        at, self._at = self._at, self._at + 1
        return self._content[at] if at < len(self._content) else None

    def skip(self, size: int) -> None:
        self._at += size

    def frame(self, width: int, height: int) -> None:
        """Walk over a frame, which must lie inside of the picture."""
        if self._at + 9 > len(self._content):
            raise NotAnImageError(DAMAGED)
        left, top, across, down, flags = struct.unpack_from("<HHHHB", self._content, self._at)
        if not across or not down or left + across > width or top + down > height:
            raise NotAnImageError(DAMAGED)
        self.skip(9 + _palette_bytes(flags) + 1)
        if not self.sub_blocks():
            raise NotAnImageError(DAMAGED)

    def sub_blocks(self) -> int:
        """Walk over sub-blocks; returns how many bytes they have."""
        total = 0
        while length := self.byte():
            total += length
            self._at += length
            self._blocks -= 1
            if not self._blocks:
                raise refuse_excess("short blocks", MAX_SHORT_BLOCKS)
        if length is None:
            raise NotAnImageError("The image is incomplete: bytes at its end are missing")
        return total


def _palette_bytes(flags: int) -> int:
    return 3 * 2 ** (1 + (flags & _COLOURS)) if flags & _HAS_PALETTE else 0
