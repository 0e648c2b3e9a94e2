"""Boxes of the ISO base media file format (ISO/IEC 14496-12), on which HEIF and AVIF are built.

    length (32 bits, big-endian), a name of four letters, content

A length of 1 means that 64 bits of length follow the name; 0 means that the box goes to the end. A
full box begins with a version and 24 bits of flags.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

from media.structure.limits import DAMAGED, NotAnImageError, refuse_excess

# Of a file: in memory, or mapped to it.
Content = bytes | mmap
_HEADER = struct.Struct(">I4s")
# Of one level. Items have lists of their own; real files have some ten.
MAX_BOXES = 64


@dataclass(frozen=True)
class Box:
    """A box: its name, and where its content is. It may end behind the end of the file."""

    name: bytes
    start: int
    end: int


def boxes(content: Content, start: int, end: int, *, most: int = MAX_BOXES) -> Iterator[Box]:
    """The boxes between two places, one behind the other; raises `NotAnImageError` over `most`."""
    at, end = start, min(end, len(content))
    for _ in range(most):
        if at + _HEADER.size > end:
            return
        length, name = _HEADER.unpack_from(content, at)
        begin = at + _HEADER.size
        if length == 1:
            if begin + 8 > end:
                raise NotAnImageError(DAMAGED)
            length, begin = int.from_bytes(content[begin : begin + 8], "big"), begin + 8
        until = at + length if length else end
        if until < begin:
            raise NotAnImageError(DAMAGED)
        yield Box(name, begin, until)
        at = until
    raise refuse_excess("boxes", most)


class Reader:
    """Reads numbers from a box, one behind the other. Past its end: raises `NotAnImageError`."""

    def __init__(self, content: Content, box: Box) -> None:
        self._content, self._at, self._end = content, box.start, min(box.end, len(content))

    def number(self, size: int) -> int:
        """The next number, of so many bytes; 0 if it has none."""
        return int.from_bytes(self.take(size), "big")

    def take(self, size: int) -> bytes:
        """The next bytes."""
        at, self._at = self._at, self._at + size
        if self._at > self._end:
            raise NotAnImageError(DAMAGED)
        return self._content[at : self._at]

    def version(self) -> int:
        """The version of a full box, whose flags are skipped."""
        version = self.number(1)
        self.take(3)
        return version

    def rest(self) -> Box:
        """What is left, as a box without a name."""
        return Box(b"", self._at, self._end)
