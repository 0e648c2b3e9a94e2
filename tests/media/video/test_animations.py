"""Pictures that move become silent videos that loop."""

import io

import pytest
from PIL import Image

from media.structure.limits import NotAnImageError, VideoTooLargeError
from media.variants import ProcessedVideo
from media.video.animations import read_animation
from tests.support.images import decoded
from tests.support.videos import COLOURS, animated, are_close, corners, quarters, shown

FORMATS = ["GIF", "WEBP", "PNG"]
SIZE = (320, 180)


def turning(number: int) -> list[Image.Image]:
    """Frames that differ: the quarters, then mirrored, and so on."""
    picture = quarters(SIZE)
    mirrored = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return [mirrored if at % 2 else picture for at in range(number)]


def made(content: bytes, max_seconds: int = 90) -> ProcessedVideo:
    return read_animation(io.BytesIO(content), lambda percent: None, max_seconds=max_seconds)


@pytest.mark.parametrize("format_", FORMATS)
def test_each_frame_is_shown_as_long_as_before(format_: str) -> None:
    durations = [100, 250, 100, 500]
    result = made(animated(format_, turning(4), durations))
    assert (result.loops, result.has_sound) == (True, False)
    assert abs(result.duration_ms - sum(durations)) <= 20
    assert result.sizes == [SIZE]
    frames = shown(result.videos["full.mp4"])
    assert [round(1000 * seconds, -1) for seconds, _ in frames] == [0, 100, 350, 450]
    mirrored = [COLOURS[place] for place in (1, 0, 3, 2)]
    for (_, image), wanted in zip(frames, [COLOURS, mirrored] * 2, strict=True):
        assert are_close(corners(image), wanted, by=12)
    assert are_close(corners(decoded(result.poster.variants["full.jpg"])), COLOURS, by=12)


@pytest.mark.parametrize("format_", ["WEBP", "PNG"])
def test_transparent_pixels_are_white(format_: str) -> None:
    frames = [Image.new("RGBA", SIZE, (200, 0, 0, alpha)) for alpha in (0, 1)]
    (_, image), *_ = shown(made(animated(format_, frames, [100, 100])).videos["full.mp4"])
    assert are_close(corners(image), [(255, 255, 255)] * 4)


def test_a_frame_without_a_time_is_shown_for_a_tenth_of_a_second() -> None:
    result = made(animated("GIF", turning(3), [0, 0, 0]))
    assert abs(result.duration_ms - 300) <= 20


def test_a_picture_for_those_who_cannot_show_it_moving_is_left_out() -> None:
    red, lime, blue = (Image.new("RGB", SIZE, colour) for colour in ("red", "lime", "blue"))
    content = animated("PNG", [red, lime, blue], default_image=True)
    result = made(content)
    assert abs(result.duration_ms - 200) <= 20
    pictures = [image for _, image in shown(result.videos["full.mp4"])]
    assert len(pictures) == 2
    assert are_close(corners(pictures[0]), [(0, 255, 0)] * 4, by=12)


@pytest.mark.parametrize("format_", FORMATS)
def test_longer_than_the_limit_is_refused(format_: str) -> None:
    content = animated(format_, turning(4), [600] * 4)
    with pytest.raises(VideoTooLargeError, match="longer than 2 seconds"):
        made(content, max_seconds=2)


@pytest.mark.parametrize("format_", FORMATS)
def test_one_that_is_damaged_is_refused(format_: str) -> None:
    content = animated(format_, [quarters(SIZE).effect_spread(9) for _ in range(3)], [100] * 3)
    with pytest.raises(NotAnImageError, match="damaged"):
        made(content[: len(content) // 2])


def test_more_pixels_than_4k_are_refused() -> None:
    frames = [Image.new("L", (4112, 2304), colour) for colour in (0, 255)]
    with pytest.raises(VideoTooLargeError, match="4112 x 2304"):
        made(animated("GIF", frames, [100, 100]))
