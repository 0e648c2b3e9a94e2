"""Files of all kinds that phones make: the right picture, beside the one that `ffmpeg` decodes.

Each file goes through the decoders as a media worker sends it. What comes out as `full` is compared
with the same file as another program decodes and scales it. The bounds are a quarter further from
a perfect likeness than what was measured (docs/performance.md).
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import pytest
from PIL import Image

from media.variants import ProcessedImage, ProcessedVideo
from media.video.tones import HLG, PQ
from tests.support import phone_files, phone_videos
from tests.support.decodes import decode
from tests.support.images import decoded
from tests.support.phone_files import BURST, POSITION, SECRET, Size, scene
from tests.support.reference import Likeness, frames_by_ffmpeg, likeness, picture_by_ffmpeg

Measured = Callable[[str], None]
PHOTO, HD, SMALL = (1600, 1200), (1280, 720), (960, 540)
VIDEO = phone_videos.screen_recording((320, 180), phone_videos.times_of(0.5))
# Pixels of Display P3 as those of sRGB, which FFmpeg does not do by itself.
FROM_P3 = "zscale=pin=smpte432:tin=iec61966-2-1:p=bt709:t=iec61966-2-1"
# Light in parts of 203 nits, and the curve that decision 27 names, up to 1,000 nits.
TO_LIGHT = "zscale=t=linear:npl=203,format=gbrpf32le"
TO_SCREEN = "zscale=p=bt709,tonemap=mobius:param=0.5:desat=0:peak=4.926,zscale=t=bt709:m=gbr:r=pc"


def with_ootf() -> str:
    """HLG to light. The program raises each colour to 1.2 by itself. ITU-R BT.2100 (table 5) wants
    the colours of the scene multiplied by their luminance to the power of 0.2.
    """
    red, green, blue = scenes = [f"pow(max(0,{each}(X,Y))*0.203,1/1.2)" for each in "rgb"]
    gain = f"pow(0.2627*{red}+0.678*{green}+0.0593*{blue},0.2)/0.203"
    planes = (f"{name}='{each}*{gain}'" for name, each in zip("rgb", scenes, strict=True))
    return f"{TO_LIGHT},geq={':'.join(planes)}"


class Still(NamedTuple):
    """A kind of still: how it is made, its size once it is upright, that of `full`, the most colour
    error and the least SSIM, and what FFmpeg must be told to decode it.
    """

    make: Callable[[], bytes]
    original: Size
    full: Size
    error: float
    ssim: float
    stream: str = "v:0"
    filters: str = ""


STILLS = {
    "HEIC in tiles, upright by its property": Still(
        lambda: phone_files.heic(scene((4032, 3024)), orientation=6),
        *((3024, 4032), (1080, 1440), 1.6, 0.995, "g:0", FROM_P3),
    ),
    "HEIC with a video": Still(
        lambda: phone_files.heic_motion_photo(scene(PHOTO), VIDEO),
        *(PHOTO, (1080, 810), 1.9, 0.993, "g:0", FROM_P3),
    ),
    "HEIC of a burst": Still(
        lambda: phone_files.heic_burst([scene(PHOTO, n) for n in (1, 2, 3)], primary=1),
        *(PHOTO, (1080, 810), 1.7, 0.994, "v:1"),
    ),
    "motion photo": Still(
        lambda: phone_files.motion_photo(scene(PHOTO), VIDEO),
        *((1200, 1600), (1080, 1440), 1.5, 0.994),
    ),
    "Ultra HDR": Still(lambda: phone_files.ultra_hdr(scene(PHOTO)), PHOTO, (1080, 810), 1.8, 0.994),
    "panorama": Still(
        lambda: phone_files.panorama(scene((12_000, 600)), degrees=360),
        *((12_000, 600), (4096, 205), 2.2, 0.992),
    ),
    "panorama of 180 degrees": Still(
        lambda: phone_files.panorama(scene((11_000, 2600)), degrees=180),
        *((11_000, 2600), (2395, 566), 1.5, 0.995),
    ),
    "108 megapixels": Still(
        lambda: phone_files.jpeg(phone_files.tiled((12_000, 9000))),
        *((12_000, 9000), (1080, 810), 3.2, 0.983),
    ),
    "200 megapixels": Still(
        lambda: phone_files.tall(scene((16_320, 3072)), 12_240),
        *((16_320, 12_240), (1080, 810), 3.4, 0.981),
    ),
}


def picture_of(content: bytes) -> ProcessedImage:
    """What becomes of a still; nothing but its pixels may be left."""
    result, _ = decode(content)
    assert isinstance(result, ProcessedImage)
    assert_clean(result.files())
    return result


def video_of(content: bytes) -> ProcessedVideo:
    """The same of a video."""
    result, _ = decode(content)
    assert isinstance(result, ProcessedVideo)
    assert_clean(result.files())
    return result


def assert_clean(files: dict[str, bytes]) -> None:
    for name, content in files.items():
        for text in (SECRET, POSITION, BURST, "Exif", "ns.google.com", "Apple"):
            assert text.encode() not in content, (name, text)


def full_of(image: ProcessedImage) -> Image.Image:
    return decoded(image.variants["full.jpg"])


@pytest.mark.parametrize("kind", STILLS)
def test_a_still_of_a_phone_is_the_right_picture(kind: str, measured: Measured) -> None:
    still = STILLS[kind]
    content = still.make()
    image = picture_of(content)
    assert (image.original_width, image.original_height) == still.original
    full = full_of(image)
    assert full.size == (image.width, image.height) == still.full
    reference = picture_by_ffmpeg(content, still.full, stream=still.stream, filters=still.filters)
    found = likeness(full, reference)
    measured(f"{full.width} x {full.height}, {found}")
    assert found.error <= still.error
    assert found.ssim >= still.ssim


def test_no_byte_of_the_video_behind_a_photo_is_published() -> None:
    pieces = {VIDEO[at : at + 16] for at in range(len(VIDEO) - 16)}
    # Pieces with few values, such as runs of zeros, may be in any file.
    pieces = {piece for piece in pieces if len(set(piece)) > 8}
    assert POSITION.encode() in VIDEO
    for make in (phone_files.motion_photo, phone_files.heic_motion_photo):
        content = make(scene(PHOTO), VIDEO)
        assert VIDEO in content
        for name, made in picture_of(content).files().items():
            assert not pieces.intersection(made[at : at + 16] for at in range(len(made))), name


def test_each_picture_of_a_burst_is_its_own(measured: Measured) -> None:
    """Phones write them as files of their own, which share an identifier."""
    tags = phone_files.exif(burst=BURST)
    files = [phone_files.jpeg(scene(PHOTO, number), exif=tags) for number in range(3)]
    assert all(BURST.encode() in content for content in files)
    fulls = [full_of(picture_of(content)) for content in files]
    references = [picture_by_ffmpeg(content, (1080, 810)) for content in files]
    for number, full in enumerate(fulls):
        assert full.size == (1080, 810)
        own, *others = (likeness(full, references[(number + step) % 3]) for step in range(3))
        measured(f"picture {number + 1}: {own}")
        assert own.error <= 1.8
        assert own.ssim >= 0.994
        assert all(other.ssim < 0.5 for other in others)


class Clip(NamedTuple):
    """A kind of video: how it is made, its size once it is upright, that of `full`, how long it is,
    and as with `Still`.
    """

    make: Callable[[], bytes]
    original: Size
    full: Size
    seconds: float
    error: float
    ssim: float
    has_sound: bool = True
    filters: str = ""


# When a screen has changed: in bursts, with rests between them.
CHANGES = (0, 0.017, 0.033, 0.05, 0.4, 0.417, 0.433, 1.2, 1.217, 1.25, 1.9, 2.4)
CLIPS = {
    **{
        f"HEVC MOV, turned by {degrees}": Clip(
            partial(phone_videos.hevc_mov, HD, degrees=degrees, seconds=0.2),
            *(HD if degrees == 180 else HD[::-1], full, 0.2, 3.3, 0.972),
        )
        for degrees, full in ((90, (720, 1280)), (180, (1080, 608)), (270, (720, 1280)))
    },
    "HEVC MOV in HDR (PQ)": Clip(
        lambda: phone_videos.hdr_mov(SMALL, transfer=PQ, seconds=0.1),
        *(SMALL, SMALL, 0.1, 5.3, 0.948, True, f"{TO_LIGHT},{TO_SCREEN}"),
    ),
    "HEVC MOV in HDR (HLG)": Clip(
        lambda: phone_videos.hdr_mov(SMALL, transfer=HLG, seconds=0.1),
        *(SMALL, SMALL, 0.1, 4.7, 0.947, True, f"{with_ootf()},{TO_SCREEN}"),
    ),
    "screen recording at a variable rate": Clip(
        lambda: phone_videos.screen_recording((720, 1560), CHANGES),
        *((720, 1560), (720, 1560), 2.9, 2.2, 0.991),
    ),
    "silent clip": Clip(
        lambda: phone_videos.hevc_mov(HD, degrees=0, seconds=0.2, sound=None),
        *(HD, (1080, 608), 0.2, 3.4, 0.969, False),
    ),
}


@pytest.mark.parametrize("kind", CLIPS)
def test_a_video_of_a_phone_shows_the_right_frames_at_their_times(
    kind: str, measured: Measured
) -> None:
    wanted = CLIPS[kind]
    content = wanted.make()
    assert POSITION.encode() in content
    video = video_of(content)
    poster = video.poster
    assert (poster.original_width, poster.original_height) == wanted.original
    assert video.sizes[0] == (poster.width, poster.height) == wanted.full
    assert abs(video.duration_ms / 1000 - wanted.seconds) < 0.025
    assert video.has_sound == wanted.has_sound
    references = frames_by_ffmpeg(content, wanted.full, filters=wanted.filters)
    frames = frames_by_ffmpeg(video.videos["full.mp4"], wanted.full)
    assert len(frames) == len(references)
    delays = [abs(one.seconds - two.seconds) for one, two in zip(frames, references, strict=True)]
    assert max(delays) < 0.002
    found = [
        likeness(one.picture, two.picture) for one, two in zip(frames, references, strict=True)
    ]
    found.append(likeness(full_of(poster), references[0].picture))
    worst = Likeness(max(each.error for each in found), min(each.ssim for each in found))
    measured(f"{len(frames)} frames of {wanted.full[0]} x {wanted.full[1]}, worst: {worst}")
    assert worst.error <= wanted.error
    assert worst.ssim >= wanted.ssim
    # Frames are told apart: one that comes too soon would not pass.
    assert likeness(frames[1].picture, references[0].picture).ssim < 0.5


def test_the_figures_tell_wrong_pictures() -> None:
    content = phone_files.heic(scene(PHOTO))
    full = full_of(picture_of(content))
    wide = picture_by_ffmpeg(content, full.size, stream="g:0")
    assert likeness(full, wide).error > 5, "colours of Display P3 that are taken for sRGB"
    for way in (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180):
        assert likeness(full, full.transpose(way)).ssim < 0.6
    same = likeness(full, full)
    assert same.error == 0
    assert same.ssim == pytest.approx(1)
