"""WebPs whose end is missing."""

from typing import Any

import pytest
from PIL import Image

from media.formats.picture import read_picture
from media.formats.webp import complete_webp
from media.structure import NotAnImageError, check_structure
from tests.support.images import decoded, encoded, jpeg_with_gps

PHOTO = Image.merge("RGB", [Image.effect_noise((300, 200), spread) for spread in (40, 60, 80)])
ALPHA = PHOTO.convert("RGBA")
ALPHA.putalpha(Image.effect_noise((300, 200), 90))
KINDS: dict[str, Any] = {
    "lossy": encoded(PHOTO, "WEBP"),
    "lossless": encoded(PHOTO, "WEBP", lossless=True),
    "alpha": encoded(ALPHA, "WEBP"),
    "lossless alpha": encoded(ALPHA, "WEBP", lossless=True),
}


def read(content: bytes) -> Image.Image:
    check_structure(content, max_pixels=1_000_000)
    return read_picture(content, max_pixels=1_000_000, side=1080).image


@pytest.mark.parametrize("kind", KINDS)
def test_nine_tenths_are_enough(kind: str) -> None:
    content, whole = KINDS[kind], decoded(KINDS[kind])
    for missing in (1, 2, 3, 9, 99, len(content) // 20, len(content) // 11):
        image = read(content[:-missing])
        assert (image.mode, image.size) == (whole.mode, whole.size)
        above = (0, 0, 300, 130)
        assert image.crop(above).tobytes() == whole.crop(above).tobytes()
    for share in (0.1, 0.5, 0.85):
        with pytest.raises(NotAnImageError, match=r"less than 90% of it is there|damaged"):
            read(content[: round(share * len(content))])


@pytest.mark.parametrize("image", [PHOTO, ALPHA], ids=["plain", "alpha"])
def test_metadata_behind_the_pixels_may_be_missing(image: Image.Image) -> None:
    exif = decoded(jpeg_with_gps()).getexif()
    content = encoded(image, "WEBP", exif=exif, xmp=b"x" * 5000)
    end_of_pixels = content.index(b"EXIF")
    for end in range(end_of_pixels, len(content), 97):
        assert read(content[:end]).tobytes() == decoded(content).tobytes()


def test_a_whole_file_stays_as_it_is() -> None:
    content = KINDS["lossy"]
    assert complete_webp(content) is content
    behind = content + b"behind"
    assert complete_webp(behind) is behind


def test_a_picture_that_claims_more_than_its_data_is_refused() -> None:
    """libwebp says so."""
    for height in (201, 220, 2000):
        content = bytearray(KINDS["lossy"])
        content[28:30] = height.to_bytes(2, "little")
        if height > 216:
            with pytest.raises(NotAnImageError, match="damaged"):
                read(bytes(content))
