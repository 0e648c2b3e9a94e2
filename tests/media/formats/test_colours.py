"""Profiles that are made from numbers. References: published matrices and curves."""

import io

import pytest
from PIL import Image, ImageCms

from media.formats.colours import profile_of

# From linear light to linear light of sRGB.
MATRICES = {
    # CSS Color 4, of Display P3.
    12: ((1.2249, -0.2247, 0), (-0.0420, 1.0419, 0), (-0.0197, -0.0786, 1.0979)),
    # ITU-R BT.2087, of BT.2020.
    9: ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187)),
}
SAMPLES = [(128, 128, 128), (255, 255, 255), (200, 100, 100), (100, 180, 120), (90, 100, 160)]


def shown(primaries: int, transfer: int, *colours: tuple[int, int, int]) -> list[tuple[int, ...]]:
    """What the profile of these numbers makes of colours."""
    content = profile_of(primaries, transfer)
    assert content
    profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
    transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), "RGB", "RGB")
    images = [Image.new("RGB", (1, 1), colour) for colour in colours]
    for image in images:
        ImageCms.applyTransform(image, transform, inPlace=True)
    return [image.getpixel((0, 0)) for image in images]  # type: ignore[misc]


def light(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def value_of(light: float) -> int:
    light = min(1, max(0, light))
    return round(
        255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)
    )


@pytest.mark.parametrize("primaries", MATRICES)
def test_wide_colours_become_those_of_the_published_matrices(primaries: int) -> None:
    for colour, found in zip(SAMPLES, shown(primaries, 13, *SAMPLES), strict=True):
        linear = [light(channel / 255) for channel in colour]
        expected = [
            value_of(sum(a * b for a, b in zip(row, linear, strict=True)))
            for row in MATRICES[primaries]
        ]
        assert all(abs(a - b) <= 1 for a, b in zip(found, expected, strict=True)), colour


@pytest.mark.parametrize(("transfer", "white"), [(16, 0.58), (18, 0.75)], ids=["PQ", "HLG"])
def test_hdr_keeps_dark_tones_and_shows_all_differences(transfer: int, white: float) -> None:
    """ITU-R BT.2408: a grey card is 26 cd/m2, at 38 % of both signals, and white is 203."""
    grey = [(round(255 * part),) * 3 for part in (0, 0.38, white, white + 0.05, 1.0)]
    black, card, paper, light, brightest = (found[0] for found in shown(9, transfer, *grey))
    assert black == 0
    assert abs(card - value_of(26 / 203)) <= 3
    assert value_of(0.75) < paper < value_of(0.9)
    assert paper < light < brightest == 255


def test_srgb_and_what_nobody_knows_need_no_profile() -> None:
    for numbers in ((1, 13), (1, 1), (2, 2), (0, 0), (99, 13)):
        assert profile_of(*numbers) is None
