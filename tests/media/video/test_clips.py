"""Uploaded videos: their pictures, sound, times and colours, and what is refused."""

import io
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import pytest
from av.video.frame import VideoFrame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media.structure.limits import NotAVideoError, VideoTooLargeError
from media.structure.videos import check_video, container_of
from media.variants import ProcessedVideo
from media.video.clips import read_clip
from tests.support.images import decoded
from tests.support.videos import (
    COLOURS,
    RATE,
    SAMPLES,
    are_close,
    boxes_of,
    corners,
    heard,
    quarters,
    shown,
    tone,
    turned,
    video,
    video_by_another_process,
    with_captions,
)

LIMIT = 90
PLAIN = video()


def clip(content: bytes, max_seconds: int = LIMIT) -> ProcessedVideo:
    told: list[int] = []
    format_ = container_of(content)
    assert format_ is not None
    result = read_clip(io.BytesIO(content), told.append, format_=format_, max_seconds=max_seconds)
    assert told == sorted(told)
    assert all(0 <= percent < 100 for percent in told)
    return result


def streams_of(content: bytes) -> list[tuple[str, str]]:
    with av.open(io.BytesIO(content), "r") as file:
        return [(stream.type, stream.codec_context.name) for stream in file.streams]


@pytest.mark.parametrize(
    ("codec", "container", "sound"),
    [
        ("libx264", "mp4", "aac"),
        ("libx264", "mov", "pcm_s16le"),
        ("libx264", "3gp", "aac"),
        ("libx265", "mov", "aac"),
        ("libsvtav1", "mp4", "libopus"),
        ("libvpx", "webm", "libopus"),
        ("libvpx-vp9", "webm", "libopus"),
        ("libsvtav1", "webm", "libopus"),
    ],
)
def test_any_codec_becomes_two_mp4s_that_start_at_once_and_a_poster(
    codec: str, container: str, sound: str
) -> None:
    make = video_by_another_process if codec == "libsvtav1" else video
    result = clip(make(codec=codec, container=container, size=(800, 450), sound=sound))
    assert result.sizes == [(800, 450), (540, 304)]
    assert list(result.videos) == ["full.mp4", "half.mp4"]
    assert abs(result.duration_ms - 1000) <= 60
    assert (result.has_sound, result.loops) == (True, False)
    poster = result.poster
    assert (poster.width, poster.height) == (800, 450)
    assert (poster.original_width, poster.original_height) == (800, 450)
    assert are_close(corners(decoded(poster.variants["full.jpg"])), COLOURS)
    for content, size in zip(result.videos.values(), result.sizes, strict=True):
        assert streams_of(content) == [("video", "h264"), ("audio", "aac")]
        names = boxes_of(content)
        assert names.index(b"moov") < names.index(b"mdat")
        frames = shown(content)
        assert len(frames) == RATE
        assert all(image.size == size for _, image in frames)
        assert are_close(corners(frames[0][1]), COLOURS)
        assert are_close(corners(frames[-1][1]), COLOURS)


@pytest.mark.parametrize(
    ("matrix", "order"),
    [
        ((1, 0, 0, 1), (0, 1, 2, 3)),
        ((0, 1, -1, 0), (2, 0, 3, 1)),  # a quarter clockwise: what was left below is left above
        ((-1, 0, 0, -1), (3, 2, 1, 0)),
        ((0, -1, 1, 0), (1, 3, 0, 2)),
        ((-1, 0, 0, 1), (1, 0, 3, 2)),  # mirrored
        ((1, 0, 0, -1), (2, 3, 0, 1)),
        ((0, 1, 1, 0), (0, 2, 1, 3)),
        ((0, -1, -1, 0), (3, 1, 2, 0)),
    ],
)
def test_it_is_upright_however_the_phone_was_held(
    matrix: tuple[int, int, int, int], order: tuple[int, ...]
) -> None:
    result = clip(turned(PLAIN, *matrix))
    is_on_its_side = matrix[0] == 0
    size = (180, 320) if is_on_its_side else (320, 180)
    wanted = [COLOURS[place] for place in order]
    assert result.sizes == [size]
    for image in (
        shown(result.videos["full.mp4"])[0][1],
        decoded(result.poster.variants["full.jpg"]),
    ):
        assert image.size == size
        assert are_close(corners(image), wanted)


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((1920, 1080), [(1080, 608), (540, 304)]),
        ((1080, 1920), [(1080, 1920), (540, 960)]),
        ((540, 960), [(540, 960)]),
        ((322, 182), [(322, 182)]),
        ((640, 64), [(640, 64), (540, 54)]),
    ],
)
def test_the_sizes_are_even_and_nothing_is_enlarged(
    size: tuple[int, int], wanted: list[tuple[int, int]]
) -> None:
    result = clip(video(size=size, times=(0, 1 / RATE), sound=None))
    assert result.sizes == wanted
    assert (result.poster.original_width, result.poster.original_height) == size


def test_pixels_become_square() -> None:
    content = video(size=(360, 288), sound=None, sample_aspect_ratio=Fraction(64, 45))
    assert clip(content).sizes == [(512, 288)]


def test_a_variable_rate_stays_one() -> None:
    times = [0, 0.033, 0.5, 0.52, 2.0, 2.033, 2.066]
    result = clip(video(times=times, sound=None))
    found = [seconds for seconds, _ in shown(result.videos["full.mp4"])]
    assert len(found) == len(times)
    assert max(abs(one - other) for one, other in zip(found, times, strict=True)) < 0.002


def test_a_second_has_sixty_frames_at_most() -> None:
    result = clip(video(times=[number / 240 for number in range(240)]))
    found = [seconds for seconds, _ in shown(result.videos["full.mp4"])]
    assert len(found) == 60
    assert min(after - before for before, after in pairwise(found)) > 0.9 / 60
    assert abs(result.duration_ms - 1000) <= 60


def test_a_silent_video_has_no_sound() -> None:
    result = clip(video(sound=None))
    assert not result.has_sound
    assert result.duration_ms == 1000
    assert streams_of(result.videos["full.mp4"]) == [("video", "h264")]


def test_the_sound_stays_as_loud_and_as_long() -> None:
    times = [number / RATE for number in range(3 * RATE)]
    content = video(times=times, sound="pcm_s16le", container="mov")
    result = clip(content)
    before = sum(frame.samples for frame in tone(3)) / SAMPLES
    after, loudness = heard(result.videos["full.mp4"])
    assert abs(after - before) < 0.05
    assert abs(loudness / (0.25 / 2**0.5) - 1) < 0.05


def test_only_pixels_and_sound_get_into_the_variants() -> None:
    secret = "48.8584N 2.2945E"
    metadata = dict.fromkeys(("title", "comment", "location", "artist", "copyright"), secret)
    content = video(metadata=metadata)
    assert secret.encode() in content
    for variant in clip(content).files().values():
        assert secret.encode() not in variant
        assert b"Lavf" not in variant


def test_captions_are_left_out() -> None:
    content = with_captions(PLAIN, b"48.8584N 2.2945E")
    assert content.count(b"GA94") == RATE
    assert not any(b"GA94" in variant for variant in clip(content).files().values())


@pytest.mark.parametrize("sound_seconds", [0.3, 1.3, 4.0])
@pytest.mark.parametrize(
    ("codec", "container", "sound"), [("libx264", "mp4", "aac"), ("libvpx", "webm", "libopus")]
)
def test_sound_may_end_before_the_pictures_or_after(
    codec: str, container: str, sound: str, sound_seconds: float
) -> None:
    content = video(codec=codec, container=container, sound=sound, sound_seconds=sound_seconds)
    result = clip(content)
    assert len(shown(result.videos["full.mp4"])) == RATE
    assert abs(heard(result.videos["full.mp4"])[0] - sound_seconds) < 0.1


def test_frames_that_only_others_refer_to_are_no_damage() -> None:
    """VP8 has such ones. Here, each fifth frame is said to be one (RFC 6386, 9.1)."""
    buffer = io.BytesIO()
    plain = video(codec="libvpx", container="webm", sound=None)
    with av.open(io.BytesIO(plain), "r") as source, av.open(buffer, "w", format="webm") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.dts is None:
                continue
            data = bytearray(bytes(packet))
            if number % 5 == 4:
                data[0] &= ~0x10
            hidden = av.Packet(bytes(data))
            hidden.pts, hidden.dts, hidden.time_base = packet.pts, packet.dts, packet.time_base
            hidden.is_keyframe, hidden.stream = packet.is_keyframe, stream
            target.mux(hidden)
    assert len(shown(clip(buffer.getvalue()).videos["full.mp4"])) == 4 * RATE // 5


def test_sound_that_changes_its_form_goes_on() -> None:
    """MP3s of two channels, then of one."""
    buffer = io.BytesIO()
    with av.open(io.BytesIO(PLAIN), "r") as source, av.open(buffer, "w", format="mp4") as target:
        pictures = target.add_stream_from_template(source.streams.video[0])
        track: Any = target.add_stream("libmp3lame", rate=SAMPLES, layout="stereo")
        other: Any = av.CodecContext.create("libmp3lame", "w")
        other.sample_rate, other.layout, other.format = SAMPLES, "mono", "fltp"
        other.time_base = Fraction(1, SAMPLES)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = pictures
                target.mux(packet)
        parts, last = list(tone(1)), -SAMPLES
        for encoder, some in ((track, parts[:25]), (other, parts[25:])):
            for packet in [packet for part in [*some, None] for packet in encoder.encode(part)]:
                if packet.pts > last:
                    last, packet.stream = packet.pts, track
                    target.mux(packet)
    result = clip(buffer.getvalue())
    assert heard(result.videos["full.mp4"])[0] > 0.9


def test_sound_of_another_codec_is_left_out() -> None:
    result = clip(video(container="mov", sound="pcm_mulaw"))
    assert not result.has_sound
    assert streams_of(result.videos["full.mp4"]) == [("video", "h264")]


@pytest.mark.parametrize("matrix", [0, 2, 3, 8, 14])
def test_colours_that_are_unusual_or_not_told_are_taken_as_usual(matrix: int) -> None:
    content = video(sound=None, colorspace=matrix, color_trc=9, color_primaries=10)
    (_, image), *_ = shown(clip(content).videos["full.mp4"])
    assert are_close(corners(image), COLOURS, by=12)


def test_players_are_told_how_much_there_is_to_decode() -> None:
    """720p takes level 3.2 at 60 frames a second (ITU-T H.264, annex A)."""
    content = video(size=(1080, 1080), times=[number / 60 for number in range(12)], sound=None)
    made = clip(content).videos["full.mp4"]
    # The level is behind a version, the profile and its constraints.
    assert made[made.index(b"avcC") + 4 + 3] >= 42


def test_other_tracks_are_left_out() -> None:
    buffer = io.BytesIO()
    with av.open(io.BytesIO(PLAIN), "r") as source, av.open(buffer, "w", format="mp4") as target:
        for _ in range(2):
            for stream in source.streams:
                target.add_stream_from_template(stream)
        for packet in source.demux():
            if packet.dts is None:
                continue
            kind = packet.stream.type
            packet.stream = target.streams.video[0] if kind == "video" else target.streams.audio[0]
            target.mux(packet)
    result = clip(buffer.getvalue())
    assert streams_of(result.videos["full.mp4"]) == [("video", "h264"), ("audio", "aac")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (PLAIN[:2000], "damaged or incomplete"),
        (video(codec="mpeg4"), "a format that is not accepted"),
        (video(codec="mjpeg", pix_fmt="yuvj420p"), "a format that is not accepted"),
        (video(codec="libx264", size=(320, 8)), "too small"),
    ],
    ids=["cut off", "MPEG-4 part 2", "Motion JPEG", "tiny"],
)
def test_everything_else_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(NotAVideoError, match=reason):
        clip(content)


def test_without_pictures_it_is_no_video() -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as file:
        track: Any = file.add_stream("aac", rate=SAMPLES, layout="mono")
        for part in tone(1):
            file.mux(track.encode(part))
        file.mux(track.encode(None))
    with pytest.raises(NotAVideoError, match="no pictures"):
        clip(buffer.getvalue())


@pytest.mark.parametrize(("share", "is_enough"), [(0.98, True), (0.6, False)])
def test_most_of_it_must_be_there(share: float, is_enough: bool) -> None:
    times = [number / RATE for number in range(4 * RATE)]
    noise = (frame_of(quarters().effect_spread(number % 7)) for number in range(len(times)))
    # One that has its index in front.
    whole = clip(video(times=times, frames=noise, sound=None)).videos["full.mp4"]
    content = whole[: round(share * len(whole))]
    if is_enough:
        assert abs(clip(content).duration_ms - 4000 * share) < 400
    else:
        with pytest.raises(NotAVideoError, match="incomplete"):
            clip(content)


def frame_of(image: Any) -> VideoFrame:
    frame: VideoFrame = VideoFrame.from_image(image)  # type: ignore[no-untyped-call]
    return frame.reformat(format="yuv420p")


@pytest.mark.parametrize("muxing", [{}, {"live": "1"}], ids=["declared", "not declared"])
def test_longer_than_the_limit_is_refused(muxing: dict[str, str]) -> None:
    content = video(codec="libvpx", container="webm", sound=None, times=[0, 1, 2, 3], muxing=muxing)
    with pytest.raises(VideoTooLargeError, match="longer than 2 seconds"):
        clip(content, max_seconds=2)
    assert clip(content, max_seconds=4).duration_ms >= 3000


def test_sound_that_is_longer_than_the_limit_is_refused() -> None:
    with pytest.raises(VideoTooLargeError, match="longer than 2 seconds"):
        clip(video(sound_seconds=4), max_seconds=2)


def test_more_pixels_than_4k_are_refused() -> None:
    content = video(size=(4112, 2304), times=(0,), sound=None, options={"preset": "ultrafast"})
    with pytest.raises(VideoTooLargeError, match="4112 x 2304"):
        clip(content)


SMALL = video(size=(64, 48), times=[number / RATE for number in range(8)])


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=20
    ),
    st.integers(len(SMALL) // 2, len(SMALL)),
)
def test_whatever_is_damaged_gives_a_video_or_its_reason(
    changes: list[tuple[int, int]], length: int
) -> None:
    content = bytearray(SMALL)
    for place, value in changes:
        content[place] = value
    result = None
    with suppress(NotAVideoError, VideoTooLargeError):
        check_video(bytes(content[:length]))
        result = clip(bytes(content[:length]))
    assert result is None or shown(result.videos["full.mp4"])
