"""The scan of a picture's structure: real pictures pass, hostile ones are refused at once."""

import random
import struct
import time
import zlib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from media.images import process_image
from media.structure import ImageTooLargeError, NotAnImageError, check_structure, jpeg, png
from media.structure.limits import MAX_ASPECT
from tests.support.boxes import heif, item, link, properties_of
from tests.support.hostile import HOSTILE, in_the_scan, segment, with_chunks, with_segments
from tests.support.images import chunk, decoded, encoded, jpeg_with_gps, linear_grey_profile, plain

MAX_PIXELS = 30_000_000
# Of CPU time. The scan of ten megabytes takes a thirtieth of it; a Python step for each byte takes
# ten times as much.
SECONDS = 0.5


def check(content: bytes) -> None:
    check_structure(content, max_pixels=MAX_PIXELS)


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_file_is_refused_in_no_time(name: str) -> None:
    hostile = HOSTILE[name]
    content = hostile.make()
    began = time.process_time()
    with pytest.raises(NotAnImageError, match=hostile.reason):
        check(content)
    assert time.process_time() - began < SECONDS


def test_tiles_that_are_linked_many_times_are_scanned_once() -> None:
    pieces = struct.pack(">HHH", 2, 0, 8000) + struct.pack(">II", 0, 1) * 8000
    content = heif(
        items=[item(1, b"grid"), item(2, b"hvc1")],
        places=[pieces],
        associations=[properties_of(1, 1), properties_of(2, *[1] * 255)],
        links=link(b"dimg", 1, [2] * 8000),
    )
    began = time.process_time()
    check(content)
    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize(
    ("size", "subsampling", "is_accepted"),
    [((8200, 8100), 0, True), ((8200, 8200), 0, False), ((11_500, 11_500), 2, True)],
)
def test_a_progressive_jpeg_is_limited_by_its_coefficients(
    size: tuple[int, int], subsampling: int, is_accepted: bool
) -> None:
    content = bytearray(encoded(plain(), progressive=True, subsampling=subsampling))
    at = content.index(b"\xff\xc2") + 5
    content[at : at + 4] = struct.pack(">HH", *size[::-1])
    claiming_it = bytes(content) + bytes(500_000)
    if is_accepted:
        check_structure(claiming_it, max_pixels=2 * 10**8)
    else:
        with pytest.raises(ImageTooLargeError, match="progressive"):
            check_structure(claiming_it, max_pixels=2 * 10**8)


def noise(size: tuple[int, int] = (90, 60)) -> Image.Image:
    return Image.merge("RGB", [Image.effect_noise(size, spread) for spread in (40, 60, 80)])


NOISE = noise()
WRITTEN: dict[str, Any] = {
    "JPEG": st.fixed_dictionaries(
        {"quality": st.integers(1, 100), "progressive": st.booleans()},
        optional={
            "subsampling": st.sampled_from([0, 1, 2]),
            "optimize": st.booleans(),
            "restart_marker_blocks": st.integers(0, 3),
            "comment": st.binary(max_size=60_000),
            "xmp": st.binary(max_size=60_000),
            "icc_profile": st.binary(min_size=1, max_size=400_000),
        },
    ),
    "PNG": st.fixed_dictionaries(
        {"compress_level": st.integers(0, 9)},
        optional={"optimize": st.booleans(), "icc_profile": st.binary(min_size=1, max_size=9000)},
    ),
    "WEBP": st.fixed_dictionaries(
        {"lossless": st.booleans(), "quality": st.integers(0, 100), "method": st.just(0)},
        optional={
            "exact": st.booleans(),
            "xmp": st.binary(min_size=1, max_size=9000),
            "icc_profile": st.binary(min_size=1, max_size=9000),
        },
    ),
}
WRITTEN |= {
    "GIF": st.fixed_dictionaries({"interlace": st.booleans()}, optional={"comment": st.binary()}),
    "HEIF": st.fixed_dictionaries({"quality": st.integers(0, 100)}),
    "AVIF": st.fixed_dictionaries({"quality": st.integers(0, 100), "speed": st.just(10)}),
}
MODES = {
    "JPEG": ("1", "L", "RGB", "CMYK", "YCbCr"),
    "PNG": ("1", "L", "LA", "I;16", "P", "RGB", "RGBA"),
    "WEBP": ("RGB", "RGBA", "RGBX"),
    "GIF": ("1", "L", "P", "RGB", "RGBA"),
    "HEIF": ("L", "LA", "RGB", "RGBA"),
    "AVIF": ("L", "RGB", "RGBA"),
}


@settings(max_examples=100, deadline=None)
@given(data=st.data(), format_=st.sampled_from(sorted(WRITTEN)))
def test_what_an_encoder_writes_is_accepted_in_all_modes(data: st.DataObject, format_: str) -> None:
    mode = data.draw(st.sampled_from(MODES[format_]))
    size = data.draw(st.tuples(st.integers(1, 90), st.integers(1, 60)))
    options = data.draw(WRITTEN[format_])
    picture = NOISE.crop((0, 0, *size)).convert(mode)
    if max(size) > MAX_ASPECT * min(size):
        return
    check(encoded(picture, format_, exif=decoded(jpeg_with_gps()).getexif(), **options))


@settings(max_examples=300, deadline=None)
@given(
    start=st.sampled_from(
        [
            b"",
            b"\xff\xd8\xff",
            b"\x89PNG\r\n\x1a\n",
            b"RIFF\xff\xff\xff\0WEBP",
            b"GIF89a\x08\0\x08\0\0\0\0",
            b"\0\0\0\x14ftypheic\0\0\0\0mif1\0\0\xff\xffmeta",
        ]
    ),
    rest=st.binary(max_size=5000),
)
def test_any_bytes_are_accepted_or_refused(start: bytes, rest: bytes) -> None:
    refuse_or_accept(start + rest)


VALID = {
    name: encoded(noise(), name, **options)
    for name, options in (
        ("JPEG", {"progressive": True, "exif": decoded(jpeg_with_gps()).getexif()}),
        ("PNG", {"icc_profile": linear_grey_profile()}),
        ("WEBP", {"exif": decoded(jpeg_with_gps()).getexif()}),
        ("GIF", {"comment": b"from home"}),
        ("HEIF", {"exif": decoded(jpeg_with_gps()).getexif()}),
        ("AVIF", {"exif": decoded(jpeg_with_gps()).getexif()}),
    )
}


@settings(max_examples=500, deadline=None)
@given(
    name=st.sampled_from(sorted(VALID)),
    changes=st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=8)), max_size=4),
    cut=st.none() | st.integers(0, 3000),
)
def test_a_changed_picture_is_accepted_or_refused(
    name: str, changes: list[tuple[int, bytes]], cut: int | None
) -> None:
    content = bytearray(VALID[name])
    for place, change in changes:
        content[place : place + len(change)] = change
    refuse_or_accept(bytes(content[:cut]))


def refuse_or_accept(content: bytes) -> None:
    """The only two outcomes; any other error fails the test."""
    with suppress(NotAnImageError, ImageTooLargeError):
        check(content)


# --- what phones and editors write ----------------------------------------------------------------

PHOTO = encoded(noise((640, 480)), quality=90)
XMP = b"http://ns.adobe.com/xap/1.0/\0"
MORE_XMP = b"http://ns.adobe.com/xmp/extension/\0" + b"F" * 40


def video(size: int) -> bytes:
    """Bytes like those of a video, with all markers of a JPEG in them."""
    return b"\0\0\0\x18ftypmp42" + random.Random(1).randbytes(size) + b"\xff\xda\0\2" * 500


@pytest.mark.parametrize(
    "content",
    [
        PHOTO + video(9_000_000),
        PHOTO + b"\xff" * 9_000_000,
        with_segments(PHOTO, *[segment(0xE1, MORE_XMP + bytes(65_000))] * 100),
        with_segments(PHOTO, *[segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(65_000))] * 40),
        with_segments(PHOTO, *[segment(0xE5, bytes(65_000))] * 20),
        with_segments(PHOTO, segment(0xFE, bytes(60_000)), b"\xff" * 4000),
        encoded(plain((2400, 1800)), "MPO", save_all=True, append_images=[plain((1200, 900))] * 3),
        encoded(noise((640, 480)), progressive=True, restart_marker_blocks=1),
        encoded(Image.new("L", (1600, 1600)), restart_marker_blocks=1),
    ],
    ids=[
        *("motion photo", "padded behind its end", "depth map in XMP", "large profile"),
        *("maker's previews", "comment and alignment", "several pictures"),
        *("progressive with restarts", "flat with restarts"),
    ],
)
def test_a_photo_with_much_around_it_is_accepted(content: bytes) -> None:
    check(content)
    assert process_image(content, max_pixels=MAX_PIXELS).width in {640, 1080}


def test_a_png_of_many_small_chunks_and_texts_is_accepted() -> None:
    texts = PngImagePlugin.PngInfo()
    for number in range(20):
        texts.add_text(f"key {number}", "value " * 50, zip=number % 2 == 0)
    content = encoded(noise((900, 900)), "PNG", pnginfo=texts)
    check(content)
    # As encoders write it whose buffer has a kilobyte.
    pixels = b"".join(part for name, part in chunks_of(content) if name == b"IDAT")
    small = [chunk(b"IDAT", pixels[at : at + 1024]) for at in range(0, len(pixels), 1024)]
    assert len(small) > 1000
    head, tail = content[:33], chunk(b"IEND", b"")
    many = head + b"".join(small) + chunk(b"IDAT", b"") + tail
    check(many)
    assert process_image(many, max_pixels=MAX_PIXELS).width == 900


def chunks_of(content: bytes) -> list[tuple[bytes, bytes]]:
    at, found = 8, []
    while at < len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        found.append((name, content[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


# --- limits, to the last one ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allowed", "refused"),
    [
        (b"\xff" * jpeg.MAX_PADDING, b"\xff" * (jpeg.MAX_PADDING + 1)),
        (b"\xff\0" * (jpeg.MAX_PADDING // 2), b"\xff\0" * (jpeg.MAX_PADDING // 2 + 1)),
        (segment(0xE5, b"") * 450, segment(0xE5, b"") * (jpeg.MAX_SEGMENTS + 1)),
        (segment(0xFE, bytes(60_000)) * 8, segment(0xFE, bytes(60_000)) * 9),
    ],
    ids=["fill", "FF00", "segments", "comments"],
)
def test_a_jpeg_may_have_so_much_and_no_more(allowed: bytes, refused: bytes) -> None:
    check(with_segments(PHOTO, allowed))
    with pytest.raises(NotAnImageError, match="more than"):
        check(with_segments(PHOTO, refused))


def test_limits_count_everything_together() -> None:
    """Padding in several places, segments between scans."""
    spread = (b"\xff" * 200 + segment(0xE5, b"")) * (jpeg.MAX_PADDING // 200 + 1)
    with pytest.raises(NotAnImageError, match="padding"):
        check(with_segments(PHOTO, spread))
    between = PHOTO[:-2] + segment(0xFE, b"") * (jpeg.MAX_SEGMENTS + 1) + PHOTO[-2:]
    with pytest.raises(NotAnImageError, match="segments"):
        check(between)


def test_the_end_of_a_picture_is_found_wherever_it_is() -> None:
    """Scans are searched in windows. What is behind the end would be refused in front of it."""
    photo, behind = encoded(plain()), segment(0xE5, b"") * (jpeg.MAX_SEGMENTS + 1)
    for length in range(2 * 65_536 - 700, 2 * 65_536):
        check(in_the_scan(photo, bytes(length)) + behind)


@pytest.mark.parametrize("size", [(6000, 5001), (65_000, 65_000)])
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "WEBP lossless", "WEBP canvas"])
def test_the_claimed_size_is_checked_in_every_format(size: tuple[int, int], format_: str) -> None:
    """The file is as long as a picture of this size may be."""
    if format_.startswith("WEBP") and size[0] > 16_383:
        size = (16_383, 16_383)
    with pytest.raises(ImageTooLargeError, match=f"{size[0]} x {size[1]}"):
        check(claiming(format_, *size) + bytes(500_000))
    accepted = (6000, 4150 if format_.startswith("WEBP") else 5000)
    check(claiming(format_, *accepted) + bytes(500_000))


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "WEBP lossless", "WEBP canvas"])
def test_a_tiny_file_claims_no_large_picture(format_: str) -> None:
    with pytest.raises(NotAnImageError, match="its file has only"):
        check(claiming(format_, 5000, 5000))
    check(claiming(format_, 1440, 2560))  # a screen of one colour


def claiming(format_: str, width: int, height: int) -> bytes:
    """A small picture whose header claims this size."""
    if format_ == "JPEG":
        content = bytearray(encoded(plain()))
        at = content.index(b"\xff\xc0") + 5
        content[at : at + 4] = struct.pack(">HH", height, width)
    elif format_ == "PNG":
        content = bytearray(encoded(plain(), "PNG"))
        content[16:24] = struct.pack(">II", width, height)
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    elif format_ == "WEBP":
        content = bytearray(encoded(plain(), "WEBP"))
        content[26:30] = struct.pack("<HH", width, height)
    elif format_ == "WEBP lossless":
        content = bytearray(encoded(plain(), "WEBP", lossless=True))
        content[21:25] = struct.pack("<I", (width - 1) | (height - 1) << 14)
    else:
        content = bytearray(encoded(plain(mode="RGBA", color=(1, 2, 3, 4)), "WEBP"))
        assert content[12:16] == b"VP8X"
        content[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(content)


def test_a_canvas_smaller_than_its_picture_is_refused() -> None:
    with pytest.raises(NotAnImageError, match="damaged"):
        check(claiming("WEBP canvas", 32, 32))


def test_a_png_may_be_animated_by_one_frame_only() -> None:
    photo = encoded(plain(), "PNG")
    check(with_chunks(photo, chunk(b"acTL", struct.pack(">II", 1, 0))))
    with pytest.raises(NotAnImageError, match="Animated"):
        check(with_chunks(photo, chunk(b"acTL", struct.pack(">II", 2, 0))))


def test_a_png_has_one_of_each_single_chunk() -> None:
    photo = encoded(plain(), "PNG", icc_profile=linear_grey_profile())
    profile = dict(chunks_of(photo))[b"iCCP"]
    with pytest.raises(NotAnImageError, match="damaged"):
        check(with_chunks(photo, chunk(b"iCCP", profile)))


def test_arithmetic_codes_are_refused_by_name() -> None:
    """Browsers do not know them, and the decoder cannot be fed piece by piece."""
    for marker in (0xC9, 0xCA, 0xCD):
        with pytest.raises(NotAnImageError, match="arithmetic"):
            check(PHOTO.replace(b"\xff\xc0", bytes((0xFF, marker))))


@pytest.mark.parametrize("progressive", [False, True])
def test_scans_are_found_with_what_they_bring(progressive: bool) -> None:
    content = encoded(noise(), progressive=progressive)
    scans = jpeg.find_scans(content)
    assert len(scans.places) == (10 if progressive else 1)
    assert scans.places[-1][1] == len(content) - 2
    assert (scans.has_restarts, scans.has_end, scans.bring_all) == (False, True, True)
    without_the_last = content[: scans.places[-1][0]].rpartition(b"\xff\xda")[0]
    if progressive:
        assert not jpeg.find_scans(without_the_last).bring_all
    cut = jpeg.find_scans(content[:-2])
    assert (cut.has_end, cut.places) == (False, scans.places)
    # A file may end within a marker, which is no part of the scan.
    assert jpeg.find_scans(content[:-1]).places == scans.places
    assert jpeg.find_scans(encoded(noise(), restart_marker_blocks=3)).has_restarts


def test_empty_chunks_of_pixels_are_counted() -> None:
    photo = encoded(plain(), "PNG")
    check(with_chunks(photo, *[chunk(b"IDAT", b"")] * png.MAX_EMPTY_IDATS))
    with pytest.raises(NotAnImageError, match="empty"):
        check(with_chunks(photo, *[chunk(b"IDAT", b"")] * (png.MAX_EMPTY_IDATS + 1)))
