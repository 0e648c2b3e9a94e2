"""HDR: the light that a screen would show is shown, and only highlights are compressed.

The signal is computed here from the light, by the formulas of ITU-R BT.2100 in the other direction.
"""

import io
import math
import struct
from collections.abc import Callable, Sequence
from itertools import pairwise, product

import pytest
from av.video.frame import VideoFrame

from media.video.clips import read_clip
from media.video.tones import HLG, PQ
from tests.support.images import decoded
from tests.support.videos import shown, video

WHITE, GAMMA = 203.0, 2.4  # nits; of an ordinary screen
SIDE = 64
Colour = tuple[float, float, float]
TO_2020 = (
    (0.627404, 0.329283, 0.043313),
    (0.069097, 0.919540, 0.011362),
    (0.016391, 0.088013, 0.895595),
)
LUMINANCE = (0.2627, 0.6780, 0.0593)


def times(matrix: Sequence[Sequence[float]], colour: Colour) -> Colour:
    red, green, blue = (sum(a * b for a, b in zip(row, colour, strict=True)) for row in matrix)
    return red, green, blue


def pq(nits: Colour) -> Colour:
    def signal(value: float) -> float:
        power = (max(0.0, value) / 10_000) ** 0.1593017578125
        return float(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)

    red, green, blue = map(signal, nits)
    return red, green, blue


def hlg(nits: Colour) -> Colour:
    """For a screen of 1,000 nits."""
    shown_light = sum(a * b for a, b in zip(LUMINANCE, nits, strict=True)) / 1000
    gain = shown_light ** (1 / 1.2 - 1) / 1000

    def signal(value: float) -> float:
        if value <= 1 / 12:
            return math.sqrt(3 * max(0.0, value))
        return 0.17883277 * math.log(12 * value - 0.28466892) + 0.55991073

    red, green, blue = (signal(gain * value) for value in nits)
    return red, green, blue


def frame_of(signal: Colour, transfer: int) -> VideoFrame:
    """A frame of one colour in 10 bits, by the matrix of BT.2020."""
    luma = sum(a * b for a, b in zip(LUMINANCE, signal, strict=True))
    chroma = (signal[2] - luma) / 1.8814, (signal[0] - luma) / 1.4746
    values = round(64 + 876 * luma), *(round(512 + 896 * each) for each in chroma)
    frame = VideoFrame(SIDE, SIDE, "yuv420p10le")
    for plane, value in zip(frame.planes, values, strict=True):
        plane.update(struct.pack("<H", value) * (plane.buffer_size // 2))
    frame.colorspace, frame.color_range = 9, 1
    frame.color_trc, frame.color_primaries = transfer, 9
    return frame


def seen(nits: Colour, transfer: int, encode: Callable[[Colour], Colour]) -> list[Sequence[int]]:
    """What is shown of light in BT.709: by the video, and by its poster."""
    frame = frame_of(encode(times(TO_2020, nits)), transfer)
    content = video(
        codec="libx264",
        container="mov",
        size=(SIDE, SIDE),
        times=(0,),
        frames=[frame],
        sound=None,
        options={"qp": "1"},
        pix_fmt="yuv420p10le",
        colorspace=9,
        color_range=1,
        color_trc=transfer,
        color_primaries=9,
    )
    result = read_clip(io.BytesIO(content), lambda percent: None, format_="mov", max_seconds=9)
    pictures = shown(result.videos["full.mp4"])[0][1], decoded(result.poster.variants["full.jpg"])
    return [picture.convert("RGB").getpixel((SIDE // 2, SIDE // 2)) for picture in pictures]  # type: ignore[misc]


BOTH = [(PQ, pq), (HLG, hlg)]


@pytest.mark.parametrize(("transfer", "encode"), BOTH, ids=["PQ", "HLG"])
def test_what_is_darker_than_half_of_white_is_shown_as_it_is(
    transfer: int, encode: Callable[[Colour], Colour]
) -> None:
    for red, green, blue in [*product((5.0, 30.0, 95.0), repeat=3)][::4]:
        nits = red, green, blue
        wanted = [round(255 * (value / WHITE) ** (1 / GAMMA)) for value in nits]
        for colour in seen(nits, transfer, encode):
            assert max(abs(a - b) for a, b in zip(colour, wanted, strict=True)) <= 9, (nits, colour)


@pytest.mark.parametrize(("transfer", "encode"), BOTH, ids=["PQ", "HLG"])
def test_highlights_are_told_apart_and_stay_grey(
    transfer: int, encode: Callable[[Colour], Colour]
) -> None:
    greys = [seen((nits,) * 3, transfer, encode)[0] for nits in (95.0, 203.0, 400.0, 700.0, 1000.0)]
    assert all(max(grey) - min(grey) <= 3 for grey in greys)
    levels = [grey[1] for grey in greys]
    assert all(after > before for before, after in pairwise(levels))
    assert levels[1] > 215, "white paper is nearly white"
    assert levels[-1] >= 252
