"""The structure of a JPEG: markers, segments and scans (ITU-T T.81, annex B).

    FFD8 (SOI)  segments with a frame header (SOF) among them  { FFDA (SOS) scan }  FFD9 (EOI)

A segment is FF, a marker, a length of two bytes, and content. A scan is entropy-coded: in it FF is
followed by 00, or by a restart marker (D0 to D7). What follows EOI is not looked at: phones put a
second picture or a video there.
"""

import re
import struct

from media.structure.limits import (
    DAMAGED,
    MAX_EXIF_BYTES,
    MAX_METADATA_BYTES,
    NotAnImageError,
    check_size,
    refuse_excess,
)

# Ten megabytes of full segments are 160; cameras write some tens.
MAX_SEGMENTS = 500
# Bytes between segments that belong to none. Cameras write at most some bytes of FF; the decoder
# takes a Python step for each.
MAX_PADDING = 16 * 1024
# Tables for quantization and for Huffman and arithmetic codes, in all scans: 5 KB in real pictures.
MAX_TABLE_BYTES = 128 * 1024
MAX_COMMENT_BYTES = 512 * 1024
# Photoshop's resources (APP13), for each of which the decoder takes a Python step: a preview and
# captions.
MAX_PHOTOSHOP_BYTES = 1024 * 1024
# A progressive JPEG has about ten scans, some encoders write twenty. A scan can be sent in 75
# bytes, and its decoding walks over all pixels.
MAX_SCANS = 50
# In scans, one byte of 256 is FF. A restart marker after each block adds one for 64 pixels.
MAX_FF_IN_SCANS = 1_000_000

_SOI, _EOI, _SOS, _DHT, _DAC, _DQT, _DRI, _DNL, _COM = (
    *(0xD8, 0xD9, 0xDA, 0xC4, 0xCC),
    *(0xDB, 0xDD, 0xDC, 0xFE),
)
_TABLES = frozenset({_DHT, _DAC, _DQT})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {_DHT, _DAC, 0xC8}
_APPS = range(0xE0, 0xF0)
_APP1, _APP13 = 0xE1, 0xED
# Bytes that belong to no segment: anything up to FF and a marker. FF00 and FFFF are no markers.
_MARKER = re.compile(rb"\xff[\x01-\xfe]")
_MARKER_AFTER_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_WINDOW = 64 * 1024


def is_jpeg(content: bytes) -> bool:
    """Whether the content begins as a JPEG does."""
    return content.startswith(b"\xff\xd8\xff")


def check_jpeg(content: bytes, *, max_pixels: int) -> None:
    """Raise the errors of `check_structure` for a JPEG; see the limits above."""
    _Walk(content, max_pixels).to_the_end()


class _Walk:
    """A walk over all segments and scans, and what it has counted so far."""

    def __init__(self, content: bytes, max_pixels: int) -> None:
        self.content, self.max_pixels = content, max_pixels
        self.at = 2  # behind SOI
        self.has_frame = False
        self.segments = self.padding = self.scans = self.ff_in_scans = 0
        self.bytes_of = {"metadata": 0, "tables": 0, "comments": 0, "exif": 0, "photoshop": 0}

    def to_the_end(self) -> None:
        """Walk to EOI, or to the end of a file that is cut off."""
        while (marker := self._next_marker()) is not None and marker != _EOI:
            self._segment(marker)
            if marker == _SOS:
                self._scan()
        if not self.scans:
            raise NotAnImageError(DAMAGED)

    def _next_marker(self) -> int | None:
        """Go behind the next marker and return it; None at the end of the file."""
        last = self.at + MAX_PADDING - self.padding + 2
        found = _MARKER.search(self.content, self.at, last)
        if found is None:
            if last < len(self.content):
                raise refuse_excess("bytes of padding", MAX_PADDING)
            return None
        self.padding += found.start() - self.at
        self.at = found.end()
        return self.content[found.start() + 1]

    def _segment(self, marker: int) -> None:
        """Count a segment, and go behind it."""
        self.segments += 1
        if self.segments > MAX_SEGMENTS:
            raise refuse_excess("segments", MAX_SEGMENTS)
        length = int.from_bytes(self.content[self.at : self.at + 2], "big")
        start, end = self.at + 2, self.at + length
        if length < 2 or end > len(self.content):
            raise NotAnImageError(DAMAGED)
        if marker in _FRAMES:
            self._frame(self.content[start:end])
        elif marker in _TABLES:
            self._add("tables", length, MAX_TABLE_BYTES)
        elif marker in _APPS:
            self._add("metadata", length, MAX_METADATA_BYTES)
            if marker == _APP1 and self.content.startswith(b"Exif\0", start):
                self._add("exif", length, MAX_EXIF_BYTES)
            elif marker == _APP13:
                self._add("photoshop", length, MAX_PHOTOSHOP_BYTES)
        elif marker == _COM:
            self._add("comments", length, MAX_COMMENT_BYTES)
        elif marker not in {_SOS, _DRI, _DNL}:
            # A second SOI, restart markers outside of scans, extensions that no picture has.
            raise NotAnImageError(DAMAGED)
        self.at = end

    def _add(self, what: str, length: int, limit: int) -> None:
        self.bytes_of[what] += length
        if self.bytes_of[what] > limit:
            raise refuse_excess(f"bytes of {what}", limit)

    def _frame(self, header: bytes) -> None:
        """The frame header: precision, height, width, and three bytes for each component."""
        if self.has_frame or len(header) < 6 or len(header) != 6 + 3 * header[5]:
            raise NotAnImageError(DAMAGED)
        self.has_frame = True
        height, width = struct.unpack_from(">HH", header, 1)
        check_size(width, height, file_bytes=len(self.content), max_pixels=self.max_pixels)

    def _scan(self) -> None:
        """Go behind the entropy-coded bytes of a scan."""
        self.scans += 1
        if not self.has_frame:
            raise NotAnImageError(DAMAGED)
        if self.scans > MAX_SCANS:
            raise refuse_excess("scans", MAX_SCANS)
        while self.at < len(self.content):
            end = self.at + _WINDOW
            self.ff_in_scans += self.content.count(b"\xff", self.at, end)
            if self.ff_in_scans > MAX_FF_IN_SCANS:
                raise refuse_excess("bytes of FF in its scans", MAX_FF_IN_SCANS)
            # A marker may begin at the last byte of the window.
            if found := _MARKER_AFTER_SCAN.search(self.content, self.at, end + 1):
                self.at = found.start()
                return
            self.at = end
