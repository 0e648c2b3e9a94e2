"""Generate a short video: a slow pan over a generated picture, with a quiet chord."""

import io
import math
import struct
from fractions import Fraction
from random import Random
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from PIL import Image

from operations.pictures import picture

SECONDS, FRAMES_PER_SECOND = 4, 24
SIZE = (540, 674)
_PAN = 220  # pixels
_SAMPLES = 48_000
_LOUDNESS = 0.05


def clip(seed: int) -> bytes:
    """An MP4, the same for the same seed."""
    random = Random(seed)  # noqa: S311  (videos, not secrets)
    width, height = SIZE
    whole = Image.open(io.BytesIO(picture(seed))).resize((width + _PAN, height + _PAN))
    across, down = random.choice([0, _PAN]), random.choice([0, _PAN])
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as file:
        video: Any = file.add_stream("libx264", rate=FRAMES_PER_SECOND)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        sound: Any = file.add_stream("aac", rate=_SAMPLES, layout="mono")
        number = SECONDS * FRAMES_PER_SECOND
        for at in range(number):
            share = (1 - math.cos(math.pi * at / number)) / 2
            left, top = abs(across - share * _PAN), abs(down - share * _PAN)
            part = whole.crop((round(left), round(top), round(left) + width, round(top) + height))
            frame: VideoFrame = VideoFrame.from_image(part)  # type: ignore[no-untyped-call]
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
        file.mux(sound.encode(_chord(random)))
        file.mux(sound.encode(None))
    return buffer.getvalue()


def _chord(random: Random) -> AudioFrame:
    """Two voices that come and go."""
    number = SECONDS * _SAMPLES
    low = random.choice([196.0, 220.0, 246.9])
    values = []
    for at in range(number):
        swell = math.sin(math.pi * at / number) * _LOUDNESS
        voices = sum(math.sin(2 * math.pi * hertz * at / _SAMPLES) for hertz in (low, 1.5 * low))
        values.append(round(32767 * swell * voices))
    frame = AudioFrame(format="s16", layout="mono", samples=number)
    frame.planes[0].update(struct.pack(f"<{number}h", *values))
    frame.sample_rate, frame.pts, frame.time_base = _SAMPLES, 0, Fraction(1, _SAMPLES)
    return frame
