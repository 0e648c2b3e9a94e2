"""Videos made by the tests: four coloured quarters, so that it shows how they are turned."""

import io
import math
import struct
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from itertools import pairwise
from multiprocessing import get_context
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from PIL import Image

SIZE = (320, 180)
RATE = 30
# From the left above, by rows.
COLOURS = [(200, 40, 40), (40, 160, 60), (40, 60, 180), (210, 190, 60)]
SECOND = tuple(number / RATE for number in range(RATE))
SAMPLES = 48_000
_TICKS = 30_000  # a second; MPEG-4 part 2 takes no more than 65,535


def quarters(size: tuple[int, int] = SIZE) -> Image.Image:
    """The picture of all frames."""
    small = Image.new("RGB", (2, 2))
    small.putdata(COLOURS)
    return small.resize(size, Image.Resampling.NEAREST)


def video(
    *,
    codec: str = "libx264",
    container: str = "mp4",
    size: tuple[int, int] = SIZE,
    times: Sequence[float] = SECOND,
    sound: str | None = "aac",
    sound_seconds: float | None = None,
    frames: Iterable[VideoFrame] | None = None,
    metadata: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
    muxing: dict[str, str] | None = None,
    **columns: Any,
) -> bytes:
    """A video with a frame at each of `times`, in seconds. `columns`: of the codec."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options=muxing or {}) as file:
        file.metadata.update(metadata or {})
        stream: Any = file.add_stream(codec, rate=RATE, options=options or {})
        stream.width, stream.height = size
        stream.codec_context.time_base = Fraction(1, _TICKS)
        for name, value in {"pix_fmt": "yuv420p", **columns}.items():
            setattr(stream.codec_context, name, value)
        track: Any = file.add_stream(sound, rate=SAMPLES, layout="mono") if sound else None
        painted = frames or (_as_yuv(quarters(size)) for _ in times)
        for frame, seconds in zip(painted, times, strict=False):
            frame.pts, frame.time_base = round(seconds * _TICKS), Fraction(1, _TICKS)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        if track is not None:
            gaps = [after - before for before, after in pairwise(times)]
            seconds = times[-1] + (gaps[-1] if gaps else 1 / RATE)
            for part in tone(seconds if sound_seconds is None else sound_seconds):
                file.mux(track.encode(part))
            file.mux(track.encode(None))
    return buffer.getvalue()


def video_by_another_process(**options: Any) -> bytes:
    """The same. SVT-AV1, when root runs it, takes real-time priority for its process."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(video, **options).result()


def _as_yuv(image: Image.Image) -> VideoFrame:
    frame: VideoFrame = VideoFrame.from_image(image)  # type: ignore[no-untyped-call]
    return frame.reformat(format="yuv420p", dst_colorspace="ITU601")


def animated(
    format_: str, frames: Sequence[Image.Image] = (), durations: Any = 100, **options: Any
) -> bytes:
    """A picture that moves, in this format of Pillow's; each frame is shown so many ms."""
    picture = quarters()
    mirrored = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    first, *others = frames or (picture, mirrored, picture, mirrored)
    buffer = io.BytesIO()
    first.save(
        buffer, format_, save_all=True, append_images=others, duration=durations, loop=0, **options
    )
    return buffer.getvalue()


def tone(seconds: float, *, hertz: int = 440, loudness: float = 0.25) -> Iterable[AudioFrame]:
    """A tone as frames of a fiftieth of a second."""
    size = SAMPLES // 50
    for start in range(0, round(seconds * SAMPLES), size):
        wave = (math.sin(2 * math.pi * hertz * at / SAMPLES) for at in range(start, start + size))
        frame = AudioFrame(format="s16", layout="mono", samples=size)
        frame.planes[0].update(
            b"".join(struct.pack("<h", round(32767 * loudness * w)) for w in wave)
        )
        frame.sample_rate, frame.pts, frame.time_base = SAMPLES, start, Fraction(1, SAMPLES)
        yield frame


def shown(content: bytes) -> list[tuple[float, Image.Image]]:
    """The frames of a video, with their times in seconds."""
    with av.open(io.BytesIO(content), "r") as file:
        return [
            (frame.time, picture_of(frame))
            for frame in file.decode(video=0)
            if frame.pts is not None
        ]


def picture_of(frame: VideoFrame) -> Image.Image:
    """A frame as a picture, by the colours that it says to have."""
    rgb = frame.reformat(format="rgb24", src_colorspace=frame.colorspace, dst_color_range="JPEG")
    image: Image.Image = rgb.to_image()  # type: ignore[no-untyped-call]
    return image


def heard(content: bytes) -> tuple[float, float]:
    """The seconds of the sound of a video, and its loudness: the mean square's root, of 1."""
    with av.open(io.BytesIO(content), "r") as file:
        values: list[float] = []
        for frame in file.decode(audio=0):
            plane = bytes(frame.planes[0])[: 4 * frame.samples]
            values += struct.unpack(f"<{frame.samples}f", plane)
            rate = frame.sample_rate
    return len(values) / rate, math.sqrt(sum(value**2 for value in values) / len(values))


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    """The colours in the middle of the quarters of a picture, from the left above, by rows."""
    places = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)]
    found: list[Any] = [
        image.convert("RGB").getpixel((int(x * image.width), int(y * image.height)))
        for x, y in places
    ]
    return found


def are_close(one: Iterable[Sequence[int]], other: Iterable[Sequence[int]], by: int = 8) -> bool:
    """Whether colours differ by no more in each channel."""
    return all(
        abs(a - b) <= by
        for left, right in zip(one, other, strict=True)
        for a, b in zip(left, right, strict=True)
    )


def with_captions(content: bytes, text: bytes) -> bytes:
    """An H.264 MP4 with captions in each frame (ITU-T T.35, CEA-708), of up to 62 bytes."""
    pairs = b"".join(b"\xfc" + text[at : at + 2].ljust(2) for at in range(0, len(text), 2))
    payload = b"\xb5\0\x31GA94\x03" + bytes([0x40 | len(pairs) // 3, 0xFF]) + pairs + b"\xff"
    unit = b"\x06\x04" + bytes([len(payload)]) + payload + b"\x80"
    buffer = io.BytesIO()
    with av.open(io.BytesIO(content), "r") as source, av.open(buffer, "w", format="mp4") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is None:
                continue
            captioned = av.Packet(len(unit).to_bytes(4, "big") + unit + bytes(packet))
            captioned.pts, captioned.dts = packet.pts, packet.dts
            captioned.time_base, captioned.duration = packet.time_base, packet.duration
            captioned.is_keyframe, captioned.stream = packet.is_keyframe, stream
            target.mux(captioned)
    return buffer.getvalue()


def turned(content: bytes, a: int, b: int, c: int, d: int) -> bytes:
    """An MP4 whose first track has this display matrix (ISO/IEC 14496-12, 8.3.2)."""
    # After the name: version and flags, times, id, duration, layer, group, volume: 40 bytes.
    at = content.index(b"tkhd") + 4 + 40
    matrix = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    return content[:at] + matrix + content[at + len(matrix) :]


def boxes_of(content: bytes) -> list[bytes]:
    """The names of the outer boxes of an MP4."""
    names, at = [], 0
    while at < len(content):
        names.append(content[at + 4 : at + 8])
        at += int.from_bytes(content[at : at + 4], "big")
    return names
