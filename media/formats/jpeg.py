"""Decodes JPEGs, and measures how much of one is there.

libjpeg fills what a file lacks, and does not say so. But it can be fed piece by piece: while it
lacks pixels of a scan, it does not take the first bytes of the next block; when the scan is
complete, or at a restart, it skips all bytes up to the next marker. So some bytes behind each scan
tell these apart. They cost nothing, and change nothing in a picture that is complete.
"""

import io
from random import Random

from PIL import Image, ImageChops, ImageFile

from media.structure.jpeg import Scans, find_scans
from media.structure.limits import DAMAGED, ENOUGH, NotAnImageError, check_share

_EOI = b"\xff\xd9"
_RESTARTS = [bytes((0xFF, 0xD0 + number)) for number in range(8)]
# Ones, which encoders write behind the last bit of a scan. libjpeg keeps up to eight bytes back.
# Where a scan has broken off, they are no valid code, so that they stand for empty blocks.
_PADDING = b"\xff\0" * 16
# Valid codes for some hundred blocks, other than empty ones.
_GARBAGE = Random(1).randbytes(4096).replace(b"\xff", b"")  # noqa: S311  (no secret)
_STRIP = 64  # rows that are compared at once
_BLOCK = 4  # rows of a block at least, at half of its size


def load_jpeg(content: bytes, *, side: int) -> Image.Image:
    """The decoded picture, at a half, a quarter or an eighth of its size if both of its sides stay
    as long as `side`. Raises `NotAnImageError` if too little is there.
    """
    scans = find_scans(content)
    image = _open(content, side)
    broken_off = _decode_by_scans(image, content, scans)
    # Some encoders leave the last details out; then the file has an end.
    if not scans.bring_all and (broken_off or not scans.has_end):
        raise NotAnImageError("The image is incomplete: its last scans are missing")
    if broken_off:
        del image  # its memory is needed
        return _measured(content, scans, broken_off, side)
    return image


def _open(content: bytes, side: int) -> ImageFile.ImageFile:
    image = Image.open(io.BytesIO(content), formats=["JPEG"])
    image.draft("RGB", (side, side))
    return image


class _Decoder:
    """The decoder of an opened picture, which is fed by hand. Raises `NotAnImageError`."""

    def __init__(self, image: ImageFile.ImageFile) -> None:
        tile = image.tile.pop()
        image.load_prepare()
        self._core = Image._getdecoder(image.mode, tile.codec_name, tile.args, image.decoderconfig)
        self._core.setimage(image.im, tile.extents)
        self._kept_back = b""
        self._is_done = False

    def feed(self, data: bytes) -> bool:
        """Decode more bytes; returns whether the picture is complete. Bytes that do not complete a
        block are kept back until it is.
        """
        if self._is_done:
            return True
        data = self._kept_back + data
        taken, error = self._core.decode(data)
        if error < 0:
            raise NotAnImageError(DAMAGED)
        self._is_done = taken < 0
        self._kept_back = b"" if self._is_done else data[taken:]
        return self._is_done

    def lacks_pixels(self, next_restart: bytes) -> bool:
        """Whether bytes do not complete a block, here or behind a restart, or complete the last."""
        for marker in (b"", next_restart):
            for zero in (marker + b"\0", b"\0"):  # one may complete a block, but not two
                if self.feed(zero) or self._kept_back:
                    return True
        return False


def _decode_by_scans(image: ImageFile.ImageFile, content: bytes, scans: Scans) -> list[int]:
    """Decode the whole picture; returns the numbers of the scans that break off."""
    decoder = _Decoder(image)
    broken_off: list[int] = []
    at = 0
    for number, (start, end) in enumerate(scans.places):
        if decoder.feed(content[at:end]) or decoder.feed(_PADDING):
            return broken_off  # there is one scan: the picture is complete before its end
        at = end
        restart = _next_restart(content, start, end) if scans.has_restarts else b""
        if decoder.lacks_pixels(restart):
            broken_off.append(number)
    decoder.feed(_EOI)
    return broken_off


def _next_restart(content: bytes, start: int, end: int) -> bytes:
    """The marker of the restart that follows the last one in a scan."""
    _, last = max((content.rfind(marker, start, end), marker[1]) for marker in _RESTARTS)
    return _RESTARTS[(last + 1) % len(_RESTARTS)]


def _measured(content: bytes, scans: Scans, broken_off: list[int], side: int) -> Image.Image:
    """The picture of a file with such scans, if enough of it is there.

    To find where a scan breaks off, it is continued with garbage: what it has brought stays.
    """
    last = scans.places[-1][1]
    picture = _decode(content[:last] + _EOI, side)
    lengths = [end - start for start, end in scans.places]
    there = needed = float(sum(lengths))
    for number in sorted(broken_off, key=lengths.__getitem__, reverse=True):
        start, end = scans.places[number]
        garbage = _GARBAGE
        if scans.has_restarts:
            garbage += _next_restart(content, start, end) + _GARBAGE
        other = _decode(content[:end] + garbage + content[end:last] + _EOI, side)
        needed += lengths[number] / _same_part(picture, other) - lengths[number]
        if there < ENOUGH * needed:
            break
    check_share(there / needed)
    return picture


def _decode(content: bytes, side: int) -> Image.Image:
    """At half of the size at most: fine details are not decoded at a quarter."""
    with Image.open(io.BytesIO(content), formats=["JPEG"]) as header:
        half = min(header.size) // 2
    image = _open(content, max(side, half))
    _Decoder(image).feed(content)
    return image


def _same_part(one: Image.Image, other: Image.Image) -> float:
    """Which part of two pictures, block by block and row by row from the top, is the same."""
    width, height = one.size
    for top in range(0, height, _STRIP):
        if strip := _difference(one, other, top, top + _STRIP):
            first = top + strip[1]
            row = min(_BLOCK, height - first)
            left = (_difference(one, other, first, first + row) or strip)[0]
            return max(1, first * width + row * left) / (width * height)
    return 1.0


def _difference(
    one: Image.Image, other: Image.Image, top: int, bottom: int
) -> tuple[int, int, int, int] | None:
    """The box that contains all pixels of these rows that differ; None if they are the same."""
    box = (0, top, one.width, min(bottom, one.height))
    return ImageChops.difference(one.crop(box), other.crop(box)).getbbox()
