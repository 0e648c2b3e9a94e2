"""The structure of a video: MP4, MOV and 3GP (ISO/IEC 14496-12), or WebM (RFC 8794, RFC 9559).

    ftyp  moov { mvhd  trak { tkhd  edts { elst }  mdia { minf { dinf { dref }  stbl { tables }}}}}
    mdat  moof …: the samples, and the indexes of later ones

Text, chapters and metadata may be there: nobody reads them. The length, the codecs and the size of
the pictures are checked when it is decoded (`media.video.clips`).
"""

from media.structure import webm
from media.structure.boxes import MAX_BOXES as MAX_LEVEL
from media.structure.boxes import Box, Content, Reader, boxes
from media.structure.heif import is_avif, is_heic
from media.structure.limits import (
    DAMAGED_VIDEO,
    HEAD_BYTES,
    MAX_METADATA_BYTES,
    MAX_TRACKS,
    NotAnImageError,
    NotAVideoError,
    refuse_video_excess,
)

# Boxes with which files begin that have no `ftyp`: MOVs of old.
_OLD_STARTS = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip"})
# A file that was recorded in pieces has two boxes for each.
MAX_TOP_BOXES = 4096
MAX_EDITS = 64
# Of the whole file. A track has some thirty.
MAX_BOXES = 10_000
# Of one table. Ninety seconds at 240 frames a second have 21,600 frames.
MAX_TABLE_ENTRIES = 100_000
MAX_KINDS = 8
# The tables of a track, besides that of the sizes of its samples.
_TABLES = frozenset({b"stts", b"ctts", b"stsc", b"stco", b"co64", b"stss"})
_SELF_CONTAINED = 1


def container_of(content: Content) -> str | None:
    """FFmpeg's name of the format of a file by its HEAD_BYTES; None if it is none of ours."""
    head = content[:HEAD_BYTES]
    if webm.is_webm(head):
        return "matroska"
    name = head[4:8]
    if (name == b"ftyp" and not is_heic(head) and not is_avif(head)) or name in _OLD_STARTS:
        return "mov"
    return None


def check_video(content: Content) -> None:
    """Refuse a file that has more of something than a real video has, or that refers to others.

    Raises `NotAVideoError`. Only reads the headers and indexes of a large file.
    """
    container = container_of(content)
    if container is None:
        raise NotAVideoError("The file is not a video of a known format")
    try:
        if container == "mov":
            _Movie(content).check()
        else:
            webm.check_webm(content)
    except NotAnImageError as error:
        raise NotAVideoError(DAMAGED_VIDEO) from error


class _Movie:
    """Walks through the boxes of a file; raises `NotAVideoError` beyond MAX_BOXES of them."""

    def __init__(self, content: Content) -> None:
        self._content, self._left = content, MAX_BOXES

    def check(self) -> None:
        whole = Box(b"", 0, len(self._content))
        found = self._children(whole, most=MAX_TOP_BOXES, is_bounded=False)
        movies = [part for part in found if part.name == b"moov"]
        if len(movies) != 1 or movies[0].end > len(self._content):
            raise NotAVideoError(
                "The video is damaged or incomplete: it lacks its index. Was it sent whole?"
            )
        (movie,) = movies
        if movie.end - movie.start > MAX_METADATA_BYTES:
            raise refuse_video_excess("bytes of index and metadata", MAX_METADATA_BYTES)
        parts = self._children(movie)
        if any(part.name == b"cmov" for part in parts):
            raise NotAVideoError("The index of the video is compressed, which is not accepted")
        tracks = [part for part in parts if part.name == b"trak"]
        if len(tracks) > MAX_TRACKS:
            raise refuse_video_excess("tracks", MAX_TRACKS)
        for track in tracks:
            self._check_track(track)

    def _check_track(self, track: Box) -> None:
        for edits in self._inside(track, b"edts", b"elst"):
            if self._entries(edits) > MAX_EDITS:
                raise refuse_video_excess("edits", MAX_EDITS)
        for information in self._inside(track, b"mdia", b"minf"):
            for references in self._inside(information, b"dinf", b"dref"):
                self._check_references(references)
            for tables in self._inside(information, b"stbl"):
                for table in self._children(tables):
                    self._check_table(table)

    def _children(self, box: Box, *, most: int = MAX_LEVEL, is_bounded: bool = True) -> list[Box]:
        """The boxes in one, which must not reach out of it if it `is_bounded`."""
        found = list(boxes(self._content, box.start, box.end, most=most))
        self._left -= len(found)
        if self._left < 0:
            raise refuse_video_excess("boxes", MAX_BOXES)
        if is_bounded and any(part.end > box.end for part in found):
            raise NotAVideoError(DAMAGED_VIDEO)
        return found

    def _inside(self, box: Box, *path: bytes) -> list[Box]:
        """All boxes inside of one that have this path of names."""
        name, *rest = path
        found = [part for part in self._children(box) if part.name == name]
        return [each for part in found for each in self._inside(part, *rest)] if rest else found

    def _entries(self, box: Box) -> int:
        """The number with which the content of a full box begins."""
        reader = Reader(self._content, box)
        reader.version()
        return reader.number(4)

    def _check_references(self, references: Box) -> None:
        """All samples must be in this file, and not where a path or an address leads to."""
        if self._entries(references) > MAX_KINDS:
            raise refuse_video_excess("references", MAX_KINDS)
        for reference in self._children(Box(b"", references.start + 8, references.end)):
            reader = Reader(self._content, reference)
            flags = reader.number(4) & 0xFFFFFF
            if not flags & _SELF_CONTAINED:
                raise NotAVideoError("The video refers to another file, which is not accepted")

    def _check_table(self, table: Box) -> None:
        if table.name == b"stsd":
            if self._entries(table) > MAX_KINDS:
                raise refuse_video_excess("formats in one track", MAX_KINDS)
            return
        if table.name == b"stsz":
            reader = Reader(self._content, table)
            reader.version()
            # Samples of one size have no table.
            entries = 0 if reader.number(4) else reader.number(4)
        elif table.name in _TABLES:
            entries = self._entries(table)
        else:
            return
        if entries > MAX_TABLE_ENTRIES:
            raise refuse_video_excess("entries in a table", MAX_TABLE_ENTRIES)
