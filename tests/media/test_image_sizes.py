"""The sizes and formats of the variants."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from media.formats.picture import FORMATS
from media.images import FULL_SHORT_SIDE, FULL_SIDE, FULL_WIDTH, THUMB_SIDE
from media.structure import NotAnImageError
from media.structure.limits import MAX_ASPECT
from media.variants import MEDIUM_WIDTH, SMALL_WIDTH, ProcessedImage
from tests.support.images import decoded, encoded, plain, processed


@pytest.mark.parametrize("format_", FORMATS)
def test_accepted_formats_become_progressive_jpeg_and_webp(format_: str) -> None:
    image = processed(encoded(plain((1600, 1200)), format_))
    assert sizes_of(image) == {
        "full": (1080, 810),
        "medium": (640, 480),
        "small": (320, 240),
        "thumb": (320, 320),
    }
    for name, content in image.variants.items():
        variant = decoded(content)
        assert (variant.mode, variant.format) == ("RGB", "JPEG" if ".jpg" in name else "WEBP")
        assert name.endswith(".webp") or variant.info["progressive"]


def sizes_of(image: ProcessedImage) -> dict[str, tuple[int, int]]:
    """The size of each variant, which its JPEG and its WebP have."""
    sizes: dict[str, set[tuple[int, int]]] = {}
    for name, content in image.variants.items():
        sizes.setdefault(name.partition(".")[0], set()).add(decoded(content).size)
    assert all(len(found) == 1 for found in sizes.values())
    return {name: found.pop() for name, found in sizes.items()}


@settings(max_examples=40, deadline=None)
@given(width=st.integers(1, 2500), height=st.integers(1, 2500))
def test_variants_are_bounded_never_enlarged_and_keep_their_shape(width: int, height: int) -> None:
    content = encoded(Image.new("RGB", (width, height)))
    if max(width, height) > MAX_ASPECT * min(width, height):
        with pytest.raises(NotAnImageError, match="too narrow"):
            processed(content)
        return
    image = processed(content)
    sizes = sizes_of(image)
    assert (image.width, image.height) == sizes["full"]
    assert (image.original_width, image.original_height) == (width, height)
    for name in ("full", "medium", "small"):
        got = sizes[name]
        assert got[0] <= width
        assert abs(got[1] - height * got[0] / width) <= 0.5 + 0.5 * height / width
    assert max(sizes["full"]) <= FULL_SIDE
    if max(sizes["full"]) < FULL_SIDE:
        assert min(sizes["full"]) >= min(width, height, FULL_SHORT_SIDE)
    if min(sizes["full"]) > FULL_SHORT_SIDE:
        assert sizes["full"][0] <= FULL_WIDTH
    assert sizes["small"][0] == min(sizes["full"][0], SMALL_WIDTH)
    assert sizes["medium"][0] == min(sizes["full"][0], MEDIUM_WIDTH)
    assert sizes["thumb"] == (min(width, height, THUMB_SIDE),) * 2


@pytest.mark.parametrize(
    ("size", "variants"),
    [
        ((12_000, 600), [(4096, 205), (640, 32), (320, 16), (320, 320)]),
        ((600, 12_000), [(205, 4096), (205, 4096), (205, 4096), (320, 320)]),
        ((6000, 2000), [(1698, 566), (640, 213), (320, 107), (320, 320)]),
        ((3000, 400), [(3000, 400), (640, 85), (320, 43), (320, 320)]),
        ((1080, 566), [(1080, 566), (640, 335), (320, 168), (320, 320)]),
        ((4000, 2000), [(1132, 566), (640, 320), (320, 160), (320, 320)]),
        ((1080, 10_800), [(410, 4096), (410, 4096), (320, 3200), (320, 320)]),
        ((64, 48), [(64, 48), (64, 48), (64, 48), (48, 48)]),
        ((20, 1), [(20, 1), (20, 1), (20, 1), (1, 1)]),
    ],
)
@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
def test_a_panorama_keeps_its_pixels(
    size: tuple[int, int], variants: list[tuple[int, int]], format_: str
) -> None:
    """The variants: full, medium, small, thumb."""
    image = processed(encoded(Image.new("RGB", size, "tomato"), format_))
    assert list(sizes_of(image).values()) == variants
    assert (image.original_width, image.original_height) == size


def test_every_variant_shows_the_details_of_the_upload() -> None:
    """The middle of a panorama has stripes that its `full` is too small for."""
    picture = Image.new("RGB", (12_000, 600), "white")
    for left in range(5700, 6300, 16):
        picture.paste("black", (left, 0, left + 8, 600))
    image = processed(encoded(picture, "PNG"))
    thumb = decoded(image.variants["thumb.jpg"]).convert("L").resize((320, 1))
    levels = set(thumb.tobytes())
    assert max(levels) - min(levels) > 150
