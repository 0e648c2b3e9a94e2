"""What is refused of a video before anything decodes it."""

import time

import pytest

from media.structure.limits import MAX_METADATA_BYTES, MAX_TRACKS, NotAVideoError
from media.structure.videos import (
    MAX_EDITS,
    MAX_TABLE_ENTRIES,
    MAX_TOP_BOXES,
    check_video,
    container_of,
)
from media.structure.webm import MAX_ELEMENTS
from tests.support.boxes import box, full_box
from tests.support.images import encoded, plain
from tests.support.videos import video

FTYP = box(b"ftyp", b"isom", bytes(4), b"mp42")
MP4 = video()
WEBM = video(codec="libvpx", container="webm", sound="libopus")


def number(value: int) -> bytes:
    return value.to_bytes(4, "big")


def track(*parts: bytes, tables: tuple[bytes, ...] = (), references: bytes = b"") -> bytes:
    dinf = box(b"dinf", references) if references else b""
    media = box(b"mdia", box(b"minf", dinf, box(b"stbl", *tables)))
    return box(b"trak", *parts, media)


def movie(*parts: bytes) -> bytes:
    return FTYP + box(b"moov", *parts) + box(b"mdat", bytes(100))


def element(id_: int, content: bytes) -> bytes:
    name = id_.to_bytes((id_.bit_length() + 7) // 8, "big")
    return name + (1 << 56 | len(content)).to_bytes(8, "big") + content


FULL_STBL = box(b"stbl", box(b"free") * 60)
EBML = element(0x1A45DFA3, b"\x42\x82\x84webm")
TRACK = element(0xAE, b"\xd7\x81\x01")


def segment(*elements: bytes) -> bytes:
    return EBML + element(0x18538067, b"".join(elements))


@pytest.mark.parametrize("content", [MP4, WEBM, video(container="mov"), video(container="3gp")])
def test_real_files_are_accepted(content: bytes) -> None:
    check_video(content)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (MP4, "mov"),
        (WEBM, "matroska"),
        (video(codec="libvpx", container="matroska", sound=None), None),
        (box(b"wide") + box(b"mdat", b"x"), "mov"),
        (encoded(plain(), "AVIF"), None),
        (encoded(plain(), "HEIF"), None),
        (encoded(plain(), "JPEG"), None),
        (b"", None),
    ],
)
def test_the_first_bytes_tell_the_format(content: bytes, name: str | None) -> None:
    assert container_of(content) == name


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a video of a known format"),
        (b"<html>" * 100, "not a video of a known format"),
        (FTYP + box(b"mdat", bytes(100)), "lacks its index"),
        (MP4[:-10], "lacks its index"),
        (movie() + box(b"moov"), "lacks its index"),
        (movie(bytes(MAX_METADATA_BYTES + 1)), "bytes of index and metadata"),
        (movie(box(b"cmov", bytes(9))), "compressed"),
        (movie(*[track()] * (MAX_TRACKS + 1)), "more than 16 tracks"),
        (
            movie(track(box(b"edts", full_box(b"elst", number(MAX_EDITS + 1))))),
            "more than 64 edits",
        ),
        (
            movie(
                track(references=full_box(b"dref", number(1), full_box(b"url ", b"/etc/passwd")))
            ),
            "refers to another file",
        ),
        (
            movie(
                track(references=full_box(b"dref", number(1), full_box(b"urn ", b"x\0http://x")))
            ),
            "refers to another file",
        ),
        (movie(track(references=full_box(b"dref", number(99)))), "more than 8 references"),
        (movie(track(tables=(full_box(b"stsd", number(99)),))), "more than 8 formats"),
        (
            movie(track(tables=(full_box(b"stts", number(MAX_TABLE_ENTRIES + 1)),))),
            "entries in a table",
        ),
        (
            movie(track(tables=(full_box(b"stsz", number(0), number(MAX_TABLE_ENTRIES + 1)),))),
            "entries in a table",
        ),
        (FTYP + box(b"free") * MAX_TOP_BOXES, "damaged"),
        (movie(track(tables=(full_box(b"stco"),))), "damaged"),
        (movie(box(b"free") * 100), "damaged"),
        (
            movie(track(references=full_box(b"dref", number(1), number(1 << 20) + b"url "))),
            "damaged",
        ),
        (movie(number(1 << 20) + b"trak" + bytes(8)), "damaged"),
        (
            movie(box(b"trak", box(b"mdia", *[box(b"minf", *[FULL_STBL] * 60)] * 3))),
            "more than 10000 boxes",
        ),
        (EBML, "damaged"),
        (segment(TRACK, element(0x1941A469, b"font")), "files attached"),
        (segment(element(0x1654AE6B, TRACK * 17)), "more than 16 tracks"),
        (segment(TRACK, element(0xEC, bytes(MAX_METADATA_BYTES + 1))), "index and metadata"),
        (segment(TRACK) + b"\xa3\x80" * MAX_ELEMENTS, "more than 200000 elements"),
        (segment(TRACK) + b"\0\0\0", "damaged"),
        (segment(TRACK) + b"\xa3", "damaged"),
    ],
)
def test_more_than_a_real_video_has_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(NotAVideoError, match=reason):
        check_video(content)


def test_samples_of_one_size_have_no_table() -> None:
    check_video(movie(track(tables=(full_box(b"stsz", number(2), number(10_000_000)),))))


def test_its_own_samples_are_no_other_file() -> None:
    own = full_box(b"dref", number(1), full_box(b"url ", flags=1))
    check_video(movie(track(references=own)))


def test_clusters_may_end_with_the_file() -> None:
    """So browsers record."""
    unknown = b"\x01" + b"\xff" * 7
    cluster = b"\x1f\x43\xb6\x75" + unknown + element(0xE7, b"\0") + element(0xA3, bytes(50))
    check_video(EBML + b"\x18\x53\x80\x67" + unknown + TRACK + cluster + cluster)


def test_a_large_file_is_scanned_in_milliseconds() -> None:
    content = MP4 + box(b"free", bytes(50_000_000))
    began = time.process_time()
    check_video(content)
    assert time.process_time() - began < 0.5
