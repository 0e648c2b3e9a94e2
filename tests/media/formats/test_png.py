"""PNGs of all kinds: which pixels are transparent, large metadata, and how much is there."""

import random
import struct
import zlib
from typing import Any

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from media.formats.picture import Picture, read_picture
from media.formats.png import MAX_PROFILE_BYTES
from media.structure import NotAnImageError, check_structure
from tests.support.hostile import with_chunks
from tests.support.images import chunk, encoded, plain, png


def read(content: bytes) -> Picture:
    check_structure(content, max_pixels=10_000_000)
    return read_picture(content, max_pixels=10_000_000, side=1080)


def packed(samples: list[int], depth: int) -> bytes:
    """A row of samples, with its filter."""
    bits = "".join(f"{sample:0{depth}b}" for sample in samples)
    bits += "0" * (-len(bits) % 8)
    return b"\0" + bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_one_grey_is_transparent(depth: int) -> None:
    """Exactly that one, also if another has the same upper bits."""
    top = (1 << depth) - 1
    samples = sorted({0, 1, top // 3, top // 2, top // 2 + 1, top - 1, top} | {0x1234 & top})
    for transparent in samples:
        image = read(
            png(
                (len(samples), 1, depth, 0),
                packed(samples, depth),
                (b"tRNS", struct.pack(">H", transparent)),
            )
        ).image
        assert image.mode == "LA"
        for x, sample in enumerate(samples):
            grey = sample >> 8 if depth == 16 else sample * 255 // top
            assert image.getpixel((x, 0)) == (grey, 0 if sample == transparent else 255)


@pytest.mark.parametrize("depth", [8, 16])
def test_one_colour_is_transparent(depth: int) -> None:
    top = (1 << depth) - 1
    colours = [(0, 0, 0), (1, 2, 3), (1, 2, 4), (2, 2, 3), (1, 3, 3), (top, top, top)]
    colours += [(0x1234 & top, 0x5678 & top, 0x9ABC & top), (0x1235 & top, 0x5678 & top, 0)]
    samples = [sample for colour in colours for sample in colour]
    for transparent in colours:
        image = read(
            png(
                (len(colours), 1, depth, 2),
                packed(samples, depth),
                (b"tRNS", struct.pack(">3H", *transparent)),
            )
        ).image
        assert image.mode == "RGBA"
        for x, colour in enumerate(colours):
            seen = tuple(sample >> depth - 8 for sample in colour)
            assert image.getpixel((x, 0)) == (*seen, 0 if colour == transparent else 255)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
@pytest.mark.parametrize("alphas", [b"\0", b"\xff\0", b"\x80", b"\x80\x40", bytes(300)])
def test_entries_of_a_palette_have_alphas(depth: int, alphas: bytes) -> None:
    palette = b"\x0a\x14\x1e\x28\x32\x3c"
    image = read(
        png((2, 1, depth, 3), packed([0, 1], depth), (b"PLTE", palette), (b"tRNS", alphas))
    ).image
    first, second = (*alphas, 255)[:2]
    assert image.getpixel((0, 0)) == (10, 20, 30, first)
    assert image.getpixel((1, 0)) == (40, 50, 60, second)


@pytest.mark.parametrize(
    ("colour_type", "samples", "mode", "pixel"),
    [(4, 2, "LA", (200, 100)), (6, 4, "RGBA", (200, 100, 200, 100))],
)
@pytest.mark.parametrize("depth", [8, 16])
def test_with_an_alpha_channel_no_value_is_transparent(
    colour_type: int, samples: int, mode: str, pixel: tuple[int, ...], depth: int
) -> None:
    """The specification forbids tRNS there; browsers ignore it."""
    values = [(200 << depth - 8), (100 << depth - 8)] * (samples // 2)
    content = png(
        (1, 1, depth, colour_type),
        packed(values, depth),
        (b"tRNS", struct.pack(">3H", *values[:2], values[0])),
    )
    # Pillow reads grey and alpha of 16 bits as RGBA.
    assert read(content).image.convert(mode).getpixel((0, 0)) == pixel


@pytest.mark.parametrize(("colour_type", "mode"), [(0, "L"), (2, "RGB")])
def test_a_transparent_value_that_is_cut_off_is_ignored(colour_type: int, mode: str) -> None:
    rows = packed([7, 7, 7], 8)
    content = png((3 if mode == "L" else 1, 1, 8, colour_type), rows, (b"tRNS", b"\0"))
    assert read(content).image.mode == mode


def test_texts_are_not_taken_for_something_else() -> None:
    """Pillow puts texts into the same place as what it has read."""
    texts = PngImagePlugin.PngInfo()
    for name in ("transparency", "icc_profile", "exif", "interlace", "gamma", "srgb"):
        texts.add_text(name, "text")
    read_ = read(encoded(plain(), "PNG", pnginfo=texts))
    assert (read_.image.mode, read_.image.size, read_.profile) == ("RGB", (64, 48), None)


# --- metadata -------------------------------------------------------------------------------------

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("size", [1_000, 1_100_000, MAX_PROFILE_BYTES])
def test_a_large_profile_is_used(size: int) -> None:
    profile = SRGB + random.Random(1).randbytes(1000)
    profile = profile.ljust(size, b"\0") if size > len(profile) else SRGB
    assert read(encoded(plain(), "PNG", icc_profile=profile)).profile == profile


@pytest.mark.parametrize("format_", ["JPEG", "WEBP"])
def test_a_large_profile_is_used_in_other_formats_too(format_: str) -> None:
    profile = SRGB.ljust(3_000_000, b"\0")
    assert read(encoded(plain(), format_, icc_profile=profile)).profile == profile


@pytest.mark.parametrize(
    "profile",
    [zlib.compress(bytes(MAX_PROFILE_BYTES + 1)), zlib.compress(bytes(100_000_000)), b"nonsense"],
    ids=["too large", "far too large", "damaged"],
)
def test_a_profile_that_cannot_be_used_is_dropped(profile: bytes) -> None:
    content = with_chunks(encoded(plain(), "PNG"), chunk(b"iCCP", b"name\0\0" + profile))
    picture = read(content)
    assert (picture.profile, picture.image.size) == (None, (64, 48))


@pytest.mark.parametrize("name", [b"zTXt", b"iTXt", b"tEXt"])
def test_long_texts_do_not_matter(name: bytes) -> None:
    text = {
        b"zTXt": b"key\0\0" + zlib.compress(bytes(9_000_000)),
        b"iTXt": b"key\0\1\0\0\0" + zlib.compress(b"a" * 9_000_000),
        b"tEXt": b"key\0" + b"a" * 2_000_000,
    }[name]
    content = with_chunks(encoded(plain(), "PNG"), *[chunk(name, text)] * 3)
    assert read(content).image.size == (64, 48)


def test_a_checksum_of_metadata_does_not_matter() -> None:
    broken = chunk(b"pHYs", bytes(9))[:-4] + b"oops"
    assert read(with_chunks(encoded(plain(), "PNG"), broken)).image.size == (64, 48)


# --- how much is there ----------------------------------------------------------------------------

WIDTH, HEIGHT = 120, 100
NOISE = Image.merge("RGB", [Image.effect_noise((WIDTH, HEIGHT), 60)] * 3)
KINDS: dict[str, Any] = {
    "1": NOISE.convert("1"),
    "L": NOISE.convert("L"),
    "I;16": NOISE.convert("L").convert("I").point(lambda value: value * 256 + 1).convert("I;16"),
    "P": NOISE.quantize(16),
    "RGB": NOISE,
    "LA": NOISE.convert("LA"),
    "RGBA": NOISE.convert("RGBA"),
}


def data_cut(content: bytes, share: float) -> bytes:
    """So much of the compressed pixels, in a file that ends there."""
    at = content.index(b"IDAT")
    length = int.from_bytes(content[at - 4 : at], "big")
    return content[: at + 4 + round(share * length)]


def fewer_rows(content: bytes, share: float) -> bytes:
    """The same, with a stream that has an end, and a file that is intact."""
    at = content.index(b"IDAT")
    length = int.from_bytes(content[at - 4 : at], "big")
    rows = zlib.decompress(content[at + 4 : at + 4 + length])
    pixels = zlib.compress(rows[: round(share * len(rows))])
    return content[: at - 4] + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("shorten", [data_cut, fewer_rows])
@pytest.mark.parametrize("kind", KINDS)
def test_nine_tenths_are_enough_and_the_rest_is_white(kind: str, shorten: Any) -> None:
    content = encoded(KINDS[kind], "PNG")
    whole = read(content).image
    for share in (0.02, 0.5, 0.87):
        with pytest.raises(NotAnImageError, match="less than 90% of it is there"):
            read(shorten(content, share))
    image = read(shorten(content, 0.95)).image
    above, below = (0, 0, WIDTH, 90), (0, 98, WIDTH, HEIGHT)
    assert image.crop(above).tobytes() == whole.crop(above).tobytes()
    assert set(image.crop(below).tobytes()) == {255}


def test_only_the_end_of_the_file_is_missing() -> None:
    content = encoded(NOISE, "PNG")
    for missing in range(1, 21):  # IEND, the checksums of the chunk and of the stream
        assert read(content[:-missing]).image.tobytes() == NOISE.tobytes()


def test_a_broken_stream_counts_up_to_the_break() -> None:
    picture = Image.effect_noise((900, 900), 60)
    rows = b"".join(b"\0" + picture.crop((0, y, 900, y + 1)).tobytes() for y in range(900))
    for good_rows in (860, 700):
        compressor = zlib.compressobj()
        stream = compressor.compress(rows[: 901 * good_rows]) + compressor.flush(zlib.Z_FULL_FLUSH)
        # The last block, of a type that does not exist.
        content = encoded(picture, "PNG")[:33] + chunk(b"IDAT", stream + b"\x07" + bytes(9999))
        if good_rows < 810:
            with pytest.raises(NotAnImageError, match="less than 90%"):
                read(content)
            continue
        image = read(content + chunk(b"IEND", b"")).image
        above, below = (0, 0, 900, 840), (0, 861, 900, 900)
        assert image.crop(above).tobytes() == picture.crop(above).tobytes()
        assert set(image.crop(below).tobytes()) == {255}


def test_a_black_last_row_is_not_missing() -> None:
    black = Image.new("RGB", (40, 30))
    assert read(encoded(black, "PNG")).image.tobytes() == black.tobytes()


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 1), (1, 7), (5, 5), (64, 31), (31, 64)])
def test_an_interlaced_picture_may_lack_a_part_of_its_last_pass(width: int, height: int) -> None:
    rows, expected = interlaced(width, height)
    header = (width, height, 8, 0)
    assert read(png(header, rows, interlace=1)).image.tobytes() == expected
    if height < 31:
        return
    cut = png(header, rows[: len(rows) * 92 // 100], interlace=1)
    image = read(cut).image
    for y in range(height):
        ours = image.crop((0, y, width, y + 1)).tobytes()
        row, above = (expected[at * width : (at + 1) * width] for at in (y, max(0, y - 1)))
        assert ours == row or (y % 2 and y > height * 3 // 4 and ours == above)
    with pytest.raises(NotAnImageError, match="less than 90%"):
        read(png(header, rows[: len(rows) * 88 // 100], interlace=1))


def interlaced(width: int, height: int) -> tuple[bytes, bytes]:
    """The seven passes (W3C, Portable Network Graphics, 8.2) of a picture, and its pixels."""
    pixels = [[(7 * x + 13 * y) % 255 + 1 for x in range(width)] for y in range(height)]
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)]
    rows = b""
    for left, top, across, down in [*passes, (0, 1, 1, 2)]:
        for row in pixels[top::down]:
            if part := row[left::across]:
                rows += b"\0" + bytes(part)
    return rows, b"".join(map(bytes, pixels))
