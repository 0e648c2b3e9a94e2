"""Videos as phones make them, from pictures that are known: a window that moves over a scene."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

from av.filter import Graph
from av.video.frame import VideoFrame
from PIL import Image

from media.video.tones import PQ
from tests.support.phone_files import POSITION, SECRET, Size, scene
from tests.support.videos import RATE, turned, video

# By the degrees that players turn a video, clockwise: (a, b, c, d) of its display matrix.
MATRICES = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
_BT709, _BT2020 = 1, 9
_STEP = 8  # pixels from frame to frame
_METADATA = {"location": POSITION, "com.apple.quicktime.location.ISO6709": POSITION}
_METADATA |= {"comment": SECRET, "com.apple.quicktime.model": SECRET}
# Metadata is written as phones do: any name, with its value as text.
_KEYS = {"movflags": "use_metadata_tags"}


def times_of(seconds: float) -> list[float]:
    """The times of frames at a constant rate."""
    return [number / RATE for number in range(round(seconds * RATE))]


def hevc_mov(size: Size, *, degrees: int, seconds: float = 1.0, **options: Any) -> bytes:
    """A video of an iPhone: HEVC with sound in a MOV, turned by `degrees` when it is played."""
    times = times_of(seconds)
    content = _hevc(size, times, _frames(size, len(times)), _colours(1, _BT709), **options)
    return turned(content, *MATRICES[degrees])


def hdr_mov(size: Size, *, transfer: int, seconds: float = 0.5) -> bytes:
    """A video in HDR: HEVC with 10 bits in BT.2020. `transfer`: PQ or HLG, by ITU-T H.273."""
    times = times_of(seconds)
    # In PQ, three quarters of the signal are 1,000 nits, more than screens of phones show.
    most = 0.75 if transfer == PQ else 1.0
    frames = (_in_bt2020(picture, most) for picture in _pictures(size, len(times)))
    columns = {**_colours(transfer, _BT2020), "pix_fmt": "yuv420p10le"}
    return _hevc(size, times, frames, columns)


def screen_recording(size: Size, times: Sequence[float]) -> bytes:
    """What a phone records of its screen: H.264 with a frame whenever something has changed."""
    return video(
        size=size,
        times=times,
        frames=_frames(size, len(times)),
        metadata=_METADATA,
        options={"preset": "veryfast", "crf": "18"},
        muxing=_KEYS,
        **_colours(1, _BT709),
    )


def _hevc(
    size: Size, times: Sequence[float], frames: Iterator[VideoFrame], columns: Any, **options: Any
) -> bytes:
    return video(
        codec="libx265",
        container="mov",
        size=size,
        times=times,
        frames=frames,
        metadata=_METADATA,
        options={"preset": "ultrafast", "crf": "18", "x265-params": "log-level=error"},
        muxing=_KEYS,
        codec_tag="hvc1",
        **columns,
        **options,
    )


def _colours(transfer: int, colours: int) -> dict[str, Any]:
    names = ("colorspace", "color_primaries")
    return {**dict.fromkeys(names, colours), "color_trc": transfer, "color_range": 1}


def _pictures(size: Size, count: int) -> Iterator[Image.Image]:
    width, height = size
    whole = scene((width + _STEP * count, height))
    for number in range(count):
        yield whole.crop((_STEP * number, 0, _STEP * number + width, height))


def _frames(size: Size, count: int) -> Iterator[VideoFrame]:
    for picture in _pictures(size, count):
        yield _frame(picture).reformat(format="yuv420p", dst_colorspace="ITU709")


def _frame(picture: Image.Image) -> VideoFrame:
    frame: VideoFrame = VideoFrame.from_image(picture)  # type: ignore[no-untyped-call]
    return frame


def _in_bt2020(picture: Image.Image, most: float) -> VideoFrame:
    """A frame whose signal in BT.2020 is that of the picture, times `most`."""
    dimmed = _frame(picture.point(lambda value: round(value * most)))
    graph = Graph()
    source: Any = graph.add_buffer(
        width=dimmed.width, height=dimmed.height, format=dimmed.format, time_base=Fraction(1, RATE)
    )
    scale = graph.add("scale", "out_color_matrix=bt2020:out_range=tv:flags=accurate_rnd")
    sink: Any = graph.add("buffersink")
    graph.link_nodes(source, scale, graph.add("format", "pix_fmts=yuv420p10le"), sink).configure()
    source.push(dimmed)
    made: VideoFrame = sink.pull()
    return made
