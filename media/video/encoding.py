"""Encodes frames and sound: an MP4 in two sizes, and a poster from one of the frames.

Any browser plays it: H.264 (High, 4:2:0, BT.709) with AAC, and the index in front, so that it
starts before it has arrived ("fast start"). Nothing but pixels and sound of an upload gets into it.
A decoder in the sandbox may start no thread, so everything here has one.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from media.images import full_scale, variants_of
from media.variants import ProcessedVideo
from media.video.scaling import Scaler

# The second MP4 is half as wide as `full` pictures are.
HALF_WIDTH = 540
# Frames that come faster are left out.
MAX_FRAMES_PER_SECOND = 60
_TIME_BASE = Fraction(1, 90_000)  # as in MP4s of cameras
# By size: the most bits in a second, and twice as many in a buffer of the player.
_MAX_RATE = {"full": "6M", "half": "2M"}
_BUFFER = {"full": "12M", "half": "4M"}
# Constant quality, at a speed at which a core encodes 1080p sooner than it plays.
_X264 = {
    "crf": "23",
    "preset": "veryfast",
    "profile": "high",
    "g": "60",
    "flags": "+bitexact+frame_duration",
    # No captions.
    "a53cc": "0",
}
_SOUND_BITS = 128_000
# A poster has more in it than one colour: so much between its darkest and brightest part, of 255.
_MIN_CONTRAST = 24
_TINY = 16  # pixels
_POSTER_SECONDS = 3.0
_BT709 = 1


@dataclass(frozen=True)
class Sound:
    """The sound of a video as it is encoded: samples a second, and one or two channels."""

    rate: int
    layout: Literal["mono", "stereo"]


class Encoder:
    """Takes the frames of a video in order, upright, of one size each, and its sound."""

    def __init__(
        self, *, width: int, height: int, sound: Sound | None, loops: bool = False
    ) -> None:
        """`width`, `height`: of the upload, upright, in pixels."""
        self._original = width, height
        self._loops, self._has_sound = loops, False
        scale = full_scale(width, height)
        half = min(scale, HALF_WIDTH / width)
        self._files = [_File("full", _even(width, height, scale), sound)]
        if half < scale:
            self._files.append(_File("half", _even(width, height, half), sound))
        self._shrink: Scaler | None = None
        self._poster: VideoFrame | None = None
        self._has_poster = False
        self._last = -1.0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the larger MP4: that of the frames which `add_frame` takes."""
        return self._files[0].size

    def is_wanted(self, seconds: float) -> bool:
        """Whether a frame at this time is not too soon after the one before."""
        return seconds - self._last >= 0.9 / MAX_FRAMES_PER_SECOND

    def add_frame(self, frame: VideoFrame, seconds: float, shown: float) -> None:
        """Add a frame that a `Scaler` has made, which is shown from `seconds` on, for `shown`
        seconds if it is the last one.
        """
        self._last = seconds
        self._note_poster(frame, seconds)
        self._files[0].add_frame(frame, seconds, shown)
        for file in self._files[1:]:
            self._shrink = self._shrink or Scaler(frame, file.size)
            file.add_frame(self._shrink.scaled(frame), seconds, shown)

    def add_sound(self, frame: AudioFrame) -> None:
        """Add samples; the time of the frame counts."""
        self._has_sound = True
        for file in self._files:
            file.add_sound(frame)

    def finish(self) -> ProcessedVideo:
        """End the MP4s. At least one frame must have been added."""
        if self._poster is None:
            raise ValueError("there is no frame")
        videos = {f"{file.name}.mp4": file.finish() for file in self._files}
        picture = self._poster.reformat(
            format="rgb24", src_colorspace="ITU709", dst_color_range="JPEG", threads=1
        )
        return ProcessedVideo(
            poster=variants_of(_as_image(picture), size=self._original, profile=None),
            videos=videos,
            sizes=[file.size for file in self._files],
            duration_ms=max(1, round(1000 * max(file.seconds for file in self._files))),
            has_sound=self._has_sound,
            loops=self._loops,
        )

    def _note_poster(self, frame: VideoFrame, seconds: float) -> None:
        """Keep the first frame, or the first one that shows something, near the beginning."""
        if self._has_poster or (self._poster and seconds > _POSTER_SECONDS):
            return
        self._poster = frame
        tiny = frame.reformat(width=_TINY, height=_TINY, format="gray", threads=1)
        # Lines of a plane may be longer than the picture.
        plane, line = bytes(tiny.planes[0]), tiny.planes[0].line_size
        pixels = b"".join(plane[at : at + _TINY] for at in range(0, _TINY * line, line))
        self._has_poster = max(pixels) - min(pixels) >= _MIN_CONTRAST


class _File:
    """One MP4, in memory."""

    def __init__(self, name: str, size: tuple[int, int], sound: Sound | None) -> None:
        self.name, self.size, self.seconds = name, size, 0.0
        self._buffer = io.BytesIO()
        self._container = av.open(
            self._buffer,
            "w",
            format="mp4",
            # Bit-exact: without the name and version of the writer.
            options={"movflags": "+faststart", "fflags": "+bitexact"},
            io_open=lambda *_: _WrittenFile(self._buffer),
        )
        self._video: VideoStream = self._container.add_stream(
            "libx264",
            rate=MAX_FRAMES_PER_SECOND,  # for which the level is chosen
        )
        codec = self._video.codec_context
        codec.width, codec.height = size
        codec.pix_fmt, codec.time_base, codec.thread_count = "yuv420p", _TIME_BASE, 1
        codec.color_primaries = codec.color_trc = codec.colorspace = _BT709
        codec.options = {**_X264, "maxrate": _MAX_RATE[name], "bufsize": _BUFFER[name]}
        self._video.time_base = _TIME_BASE
        self._sound: AudioStream | None = None
        if sound is not None:
            self._sound = self._container.add_stream("aac", rate=sound.rate, layout=sound.layout)
            self._sound.codec_context.bit_rate = _SOUND_BITS
            self._sound.codec_context.options = {"flags": "+bitexact"}
            self._sound.codec_context.thread_count = 1

    def add_frame(self, frame: VideoFrame, seconds: float, shown: float) -> None:
        frame.time_base, frame.pts = _TIME_BASE, round(seconds / _TIME_BASE)
        frame.duration = round(shown / _TIME_BASE)
        # The encoder chooses its key frames itself.
        frame.pict_type = PictureType.NONE
        try:
            self._mux(self._video.encode(frame))
        except av.error.ExternalError as error:
            raise MemoryError from error  # x264 fails for no other reason here

    def add_sound(self, frame: AudioFrame) -> None:
        if self._sound is not None:
            self._mux(self._sound.encode(frame))

    def finish(self) -> bytes:
        self._mux(self._video.encode(None))
        if self._sound is not None:
            self._mux(self._sound.encode(None))
        self._container.close()
        return self._buffer.getvalue()

    def _mux(self, packets: Iterable[Any]) -> None:
        for packet in packets:
            if packet.pts is not None:
                end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                self.seconds = max(self.seconds, end)
            self._container.mux(packet)


class _WrittenFile:
    """Reads a buffer that is being written. To put the index in front, the rest is moved."""

    def __init__(self, buffer: io.BytesIO) -> None:
        self._buffer, self._at = buffer, 0

    def read(self, size: int) -> bytes:
        part = self._buffer.getbuffer()[self._at : self._at + size].tobytes()
        self._at += len(part)
        return part

    def seek(self, offset: int, whence: int = 0) -> int:
        start = {0: 0, 1: self._at, 2: self._buffer.getbuffer().nbytes}[whence]
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        """Leaves the buffer open."""


def _as_image(frame: VideoFrame) -> Image.Image:
    image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
    return image


def _even(width: int, height: int, scale: float) -> tuple[int, int]:
    """A size that 4:2:0 can have."""
    return max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2))
