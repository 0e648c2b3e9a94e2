"""HEIC and AVIF, as phones write them. The reference is the picture that was encoded."""

import io
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat

from core.http.problems import TooLarge, UnsupportedMedia
from media.decoding import decode_image
from media.formats.picture import read_picture
from media.images import process_image
from media.structure import NotAnImageError, check_structure
from tests.support.images import decoded, encoded, jpeg_with_gps, plain, processed

PHOTO = Image.merge(
    "RGB",
    [Image.effect_noise((130, 90), 60).resize((1300, 900), Image.Resampling.BICUBIC)] * 2
    + [Image.linear_gradient("L").resize((1300, 900))],
)
# Mean difference of a channel, of 255: encoders halve the resolution of colours.
TOLERANCE = 5.0


def read(content: bytes) -> Image.Image:
    check_structure(content, max_pixels=2_000_000)
    return read_picture(content, max_pixels=2_000_000, side=1080).image


def difference(one: Image.Image, other: Image.Image) -> float:
    return max(ImageStat.Stat(ImageChops.difference(one, other)).mean)


@pytest.fixture
def tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are written in tiles, as phones do."""
    monkeypatch.setattr("pillow_heif.options.GRID_TILE_SIZE", 256)


@pytest.mark.usefixtures("tiles")
def test_a_picture_in_tiles_is_put_together() -> None:
    content = encoded(PHOTO, "HEIF", quality=90)
    assert content.count(b"hvc1") >= 24
    picture = read(content)
    assert picture.size == (1300, 900)
    assert difference(picture, PHOTO) < TOLERANCE
    # If bytes of a tile are missing, that is an error, and no grey square.
    with pytest.raises(NotAnImageError, match="bytes at its end are missing"):
        read(content[:-9])


@pytest.mark.parametrize("format_", ["HEIF", "AVIF"])
def test_the_picture_is_that_of_the_upload(format_: str) -> None:
    assert difference(read(encoded(PHOTO, format_, quality=90)), PHOTO) < TOLERANCE


def turned(content: bytes, quarters: int) -> bytes:
    """A HEIC with the property that turns it anticlockwise, in the place of a needless one."""
    at = content.index(b"pixi") - 4
    size = int.from_bytes(content[at : at + 4], "big")
    irot = size.to_bytes(4, "big") + b"irot" + bytes([quarters]) + bytes(size - 9)
    return content[:at] + irot + content[at + size :]


@pytest.mark.parametrize("quarters", range(4))
def test_a_heic_is_turned_by_its_property_and_not_by_its_exif(quarters: int) -> None:
    """Phones write both; who heeds both turns the picture twice."""
    exif = decoded(jpeg_with_gps(orientation=6)).getexif()
    content = turned(encoded(plain((640, 480)), "HEIF", exif=exif), quarters)
    image = process_image(content, max_pixels=2_000_000)
    expected = plain((640, 480)).rotate(90 * quarters, expand=True)
    assert (image.original_width, image.original_height) == expected.size
    assert difference(decoded(image.variants["full.jpg"]), expected) < TOLERANCE


COLOURS = {"matrix_coefficients": 6, "full_range_flag": 1}


@pytest.mark.parametrize(
    ("primaries", "transfer", "expected"),
    [
        (1, 13, (200, 100, 100)),
        # By the matrix of Display P3 to sRGB, from CSS Color 4.
        (12, 13, (215, 93, 97)),
        # By the matrix of BT.2020 to BT.709, from ITU-R BT.2087.
        (9, 13, (240, 76, 97)),
    ],
)
@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("size", [(64, 48), (512, 300)], ids=["whole", "tiles"])
def test_colours_that_are_told_by_numbers_become_srgb(
    size: tuple[int, int], primaries: int, transfer: int, expected: tuple[int, ...]
) -> None:
    content = encoded(
        Image.new("RGB", size, (200, 100, 100)),
        "HEIF",
        quality=95,
        color_primaries=primaries,
        transfer_characteristics=transfer,
        **COLOURS,
    )
    image = process_image(content, max_pixels=2_000_000)
    assert difference(decoded(image.variants["full.jpg"]), Image.new("RGB", size, expected)) <= 3


VALID: dict[str, Any] = {
    format_: encoded(PHOTO.crop((0, 0, 90, 60)), format_, exif=decoded(jpeg_with_gps()).getexif())
    for format_ in ("HEIF", "AVIF", "GIF")
}


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    format_=st.sampled_from(sorted(VALID)),
    changes=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=6),
    cut=st.none() | st.integers(0, 3000),
)
def test_damage_of_any_kind_is_a_picture_or_a_clear_refusal(
    format_: str, changes: list[tuple[int, int]], cut: int | None
) -> None:
    """In the sandbox: what crashes a decoder is refused, too."""
    content = bytearray(VALID[format_])
    for place, value in changes:
        content[place % len(content)] = value
    try:
        image = decode_image(bytes(content[:cut]))
    except (TooLarge, UnsupportedMedia):
        return
    assert decoded(image.variants["full.jpg"]).size == (image.width, image.height)


def test_a_burst_shows_its_first_picture() -> None:
    buffer = io.BytesIO()
    PHOTO.save(buffer, "HEIF", save_all=True, append_images=[plain(PHOTO.size)], quality=90)
    assert difference(read(buffer.getvalue()), PHOTO) < TOLERANCE


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("RGBA", (64, 48), (200, 100, 40, 128)).convert("RGBa"), (227, 178, 148)),
        (Image.new("I;16", (64, 48), 0x8000), (128, 128, 128)),
    ],
    ids=["premultiplied alpha", "grey of more than 8 bits"],
)
def test_rare_kinds_of_pixels_have_their_colours(
    image: Image.Image, expected: tuple[int, ...]
) -> None:
    content = encoded(image, "HEIF", quality=95)
    assert decoded(content).mode == image.mode
    full = decoded(processed(content).variants["full.jpg"])
    assert difference(full, Image.new("RGB", full.size, expected)) < TOLERANCE


@pytest.mark.parametrize(("format_", "brand"), [("AVIF", b"mif1"), ("HEIF", b"MiHB")])
def test_the_kinds_that_a_file_claims_to_be_may_come_in_any_order(
    format_: str, brand: bytes
) -> None:
    content = encoded(plain((640, 480)), format_, quality=90)
    renamed = content[:8] + brand + content[12:]
    assert (
        difference(decoded(processed(renamed).variants["full.jpg"]), plain((640, 480))) < TOLERANCE
    )
