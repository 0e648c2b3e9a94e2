"""The structure of a JPEG: markers, segments and scans (ITU-T T.81, annex B).

    FFD8 (SOI)  segments with a frame header (SOF) among them  { FFDA (SOS) scan }  FFD9 (EOI)

A segment is FF, a marker, a length of two bytes, and content. A scan is entropy-coded: in it FF is
followed by 00, or by a restart marker (D0 to D7). What follows EOI is not looked at: phones put a
second picture or a video there.
"""

import re
import struct
from dataclasses import dataclass

from media.structure.limits import (
    DAMAGED,
    MAX_EXIF_BYTES,
    MAX_METADATA_BYTES,
    ImageTooLargeError,
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
# A progressive JPEG keeps all coefficients until its last scan, in two bytes each.
MAX_COEFFICIENTS = 200_000_000
# In scans, one byte of 256 is FF. A restart marker after each block adds one for 64 pixels.
MAX_FF_IN_SCANS = 1_000_000

_SOI, _EOI, _SOS, _DHT, _DAC, _DQT, _DRI, _DNL, _COM = (
    *(0xD8, 0xD9, 0xDA, 0xC4, 0xCC),
    *(0xDB, 0xDD, 0xDC, 0xFE),
)
_TABLES = frozenset({_DHT, _DAC, _DQT})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {_DHT, _DAC, 0xC8}
_PROGRESSIVE = 0xC2
# Frames from here on have arithmetic codes.
_ARITHMETIC = 0xC9
_APPS = range(0xE0, 0xF0)
_APP1, _APP13 = 0xE1, 0xED
# Bytes that belong to no segment: anything up to FF and a marker. FF00 and FFFF are no markers.
_MARKER = re.compile(rb"\xff[\x01-\xfe]")
_MARKER_AFTER_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_WINDOW = 64 * 1024
_COEFFICIENTS = 64  # of a block


def is_jpeg(content: bytes) -> bool:
    """Whether the content begins as a JPEG does."""
    return content.startswith(b"\xff\xd8\xff")


def check_jpeg(content: bytes, *, max_pixels: int, max_frames: int) -> None:
    """Raise the errors of `check_structure` for a JPEG; see the limits above."""
    _Walk(content, max_pixels).to_the_end()


@dataclass(frozen=True)
class Scans:
    """Where the entropy-coded bytes of each scan begin and end, and what there is besides."""

    places: list[tuple[int, int]]
    has_restarts: bool
    has_end: bool
    # Whether they bring all coefficients of all components, in full precision.
    bring_all: bool


def find_scans(content: bytes) -> Scans:
    """The scans of a JPEG that `check_jpeg` has accepted."""
    walk = _Walk(content, max_pixels=None)
    walk.to_the_end()
    bring_all = not any(walk.missing.values())
    return Scans(walk.places, walk.has_restarts, walk.has_end, bring_all)


def _samples(header: bytes) -> float:
    """How many samples a frame has for each pixel: 3, or fewer if some have a lower resolution."""
    factors = [(sampling >> 4) * (sampling & 15) for sampling in header[7::3]]
    return sum(factors) / max(1, *factors)


class _Walk:
    """A walk over all segments and scans, and what it has counted so far.

    Without `max_pixels`, in a file that was checked before, it counts no bytes in scans.
    """

    def __init__(self, content: bytes, max_pixels: int | None) -> None:
        self.content, self.max_pixels = content, max_pixels
        self.at = 2  # behind SOI
        self.frame = 0  # the marker
        self.has_restarts = self.has_end = False
        self.places: list[tuple[int, int]] = []
        # By component: the coefficients of a block that no scan has brought in full precision.
        self.missing: dict[int, set[int]] = {}
        self.segments = self.padding = self.ff_in_scans = 0
        self.bytes_of = {"metadata": 0, "tables": 0, "comments": 0, "exif": 0, "photoshop": 0}

    def to_the_end(self) -> None:
        """Walk to EOI, or to the end of a file that is cut off."""
        while (marker := self._next_marker()) is not None and marker != _EOI:
            self._segment(marker)
            if marker == _SOS:
                self._scan()
        self.has_end = marker == _EOI
        if not self.places:
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
            self._frame(marker, self.content[start:end])
        elif marker == _SOS:
            self._scan_header(self.content[start:end])
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
        elif marker == _DRI:
            self.has_restarts |= any(self.content[start:end])
        elif marker != _DNL:
            # A second SOI, restart markers outside of scans, extensions that no picture has.
            raise NotAnImageError(DAMAGED)
        self.at = end

    def _add(self, what: str, length: int, limit: int) -> None:
        self.bytes_of[what] += length
        if self.bytes_of[what] > limit:
            raise refuse_excess(f"bytes of {what}", limit)

    def _frame(self, marker: int, header: bytes) -> None:
        """The frame header: precision, height, width, and three bytes for each component."""
        if self.frame or len(header) < 6 or len(header) != 6 + 3 * header[5]:
            raise NotAnImageError(DAMAGED)
        if marker >= _ARITHMETIC:
            raise NotAnImageError("JPEGs with arithmetic codes are not supported")
        self.frame = marker
        self.missing = {id_: set(range(_COEFFICIENTS)) for id_ in header[6::3]}
        height, width = struct.unpack_from(">HH", header, 1)
        if self.max_pixels is not None:
            check_size(width, height, file_bytes=len(self.content), max_pixels=self.max_pixels)
            if marker == _PROGRESSIVE and width * height * _samples(header) > MAX_COEFFICIENTS:
                raise ImageTooLargeError(
                    f"A progressive JPEG of {width} x {height} pixels is too large"
                )

    def _scan_header(self, header: bytes) -> None:
        """The scan header: how many components, two bytes for each, and what the scan brings of
        them: the first and last coefficient, and the last bits of these that are still missing.
        """
        if not self.frame or not header or len(header) != 4 + 2 * header[0]:
            raise NotAnImageError(DAMAGED)
        first, last, precision = header[-3:]
        if self.frame != _PROGRESSIVE:
            first, last, precision = 0, _COEFFICIENTS - 1, 0
        if not precision & 0x0F:
            for id_ in header[1:-3:2]:
                self.missing.get(id_, set()).difference_update(range(first, last + 1))

    def _scan(self) -> None:
        """Go behind the entropy-coded bytes of a scan."""
        if len(self.places) == MAX_SCANS:
            raise refuse_excess("scans", MAX_SCANS)
        start = self.at
        while self.at < len(self.content):
            end = self.at + _WINDOW
            if self.max_pixels is not None:
                self.ff_in_scans += self.content.count(b"\xff", self.at, end)
            if self.ff_in_scans > MAX_FF_IN_SCANS:
                raise refuse_excess("bytes of FF in its scans", MAX_FF_IN_SCANS)
            # A marker may begin at the last byte of the window.
            if found := _MARKER_AFTER_SCAN.search(self.content, self.at, end + 1):
                self.at = found.start()
                break
            self.at = min(end, len(self.content))
        # FF before a marker, or at the end of a file that is cut off, is no code.
        tail = self.content[max(start, self.at - _WINDOW) : self.at]
        self.places.append((start, self.at - len(tail) + len(tail.rstrip(b"\xff"))))
