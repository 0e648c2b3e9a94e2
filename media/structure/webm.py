"""The structure of a WebM (RFC 9559): elements of EBML (RFC 8794).

    EBML header   Segment { Info  Tracks { TrackEntry … }  Cluster { blocks }  … }

An element is an id, a length, and content. Browsers that record do not know the lengths of segments
and clusters beforehand: then these go on to the end.
"""

from collections.abc import Iterator
from typing import NamedTuple

from media.structure.boxes import Content
from media.structure.limits import (
    DAMAGED_VIDEO,
    MAX_METADATA_BYTES,
    MAX_TRACKS,
    NotAVideoError,
    refuse_video_excess,
)

_EBML = 0x1A45DFA3
_SEGMENT, _CLUSTER, _TRACKS, _TRACK = 0x18538067, 0x1F43B675, 0x1654AE6B, 0xAE
_ATTACHMENTS = 0x1941A469
# What is in clusters, and in blocks: skipped.
_BLOCK_IDS = frozenset({0xA3, 0xA0, 0xE7})
# The EBML header, which names the format, is not longer.
_HEADER_BYTES = 64
# Ninety seconds have some ten thousand blocks of pictures and sound.
MAX_ELEMENTS = 200_000


class _Element(NamedTuple):
    id: int
    start: int
    # None if the element does not say where it ends.
    end: int | None


def is_webm(head: bytes) -> bool:
    """Whether the first bytes are those of a WebM, and of no other Matroska file."""
    return head.startswith(_EBML.to_bytes(4, "big")) and b"\x42\x82\x84webm" in head[:_HEADER_BYTES]


def check_webm(content: Content) -> None:
    """Raise the errors of `check_video` for a WebM; see the limits above."""
    tracks = metadata = 0
    for element in _elements(content):
        size = (element.end or len(content)) - element.start
        if element.id == _ATTACHMENTS:
            raise NotAVideoError("The video has files attached, which is not accepted")
        if element.id == _TRACK:
            tracks += 1
            if tracks > MAX_TRACKS:
                raise refuse_video_excess("tracks", MAX_TRACKS)
        if element.id not in {_SEGMENT, _CLUSTER, *_BLOCK_IDS}:
            metadata += size
            if metadata > MAX_METADATA_BYTES:
                raise refuse_video_excess("bytes of index and metadata", MAX_METADATA_BYTES)
    if not tracks:
        raise NotAVideoError(DAMAGED_VIDEO)


def _elements(content: Content) -> Iterator[_Element]:
    """The elements in their order, those inside of segments, clusters and lists of tracks too."""
    at = 0
    for _ in range(MAX_ELEMENTS):
        if at >= len(content):
            return
        element = _element(content, at)
        yield element
        is_opened = element.end is None or element.id in {_SEGMENT, _CLUSTER, _TRACKS}
        at = element.start if is_opened else element.end or len(content)
    raise refuse_video_excess("elements", MAX_ELEMENTS)


def _element(content: Content, at: int) -> _Element:
    id_, length = _number(content, at, keeps_marker=True)
    size, size_length = _number(content, at + length, keeps_marker=False)
    start = at + length + size_length
    is_unknown = size == (1 << 7 * size_length) - 1
    return _Element(id_, start, None if is_unknown else start + size)


def _number(content: Content, at: int, *, keeps_marker: bool) -> tuple[int, int]:
    """A number of EBML, and its length in bytes, which are as many as zeros come first, and one."""
    first = content[at] if at < len(content) else 0
    length = 9 - first.bit_length()
    if not first or (keeps_marker and length > 4) or at + length > len(content):
        raise NotAVideoError(DAMAGED_VIDEO)
    number = int.from_bytes(content[at : at + length], "big")
    return (number if keeps_marker else number & (1 << 7 * length) - 1), length
