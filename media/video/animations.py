"""Reads a picture that moves: an animated GIF, WebP or PNG. It becomes a silent video that loops.

Runs in the sandbox, and only after `media.structure` has accepted the upload. Transparent pixels
become white. The times of the frames are kept; a frame that is shown for hardly any time is shown
for a tenth of a second, as browsers do.
"""

import io
from collections.abc import Callable
from typing import BinaryIO

from av.video.frame import VideoFrame
from PIL import Image

from media.formats.picture import DAMAGED_ERRORS
from media.images import on_white
from media.structure.limits import DAMAGED, MAX_VIDEO_PIXELS, NotAnImageError, VideoTooLargeError
from media.variants import ProcessedVideo
from media.video.encoding import Encoder
from media.video.scaling import Scaler

FORMATS = ("GIF", "WEBP", "PNG")
_SHORTEST_MS, _BROWSERS_MS = 20, 100


def read_animation(
    file: BinaryIO, tell: Callable[[int], object], *, max_seconds: int
) -> ProcessedVideo:
    """Make the variants of a picture that moves; tells the progress in percent.

    Raises `NotAnImageError`, and `VideoTooLargeError` for more seconds or pixels than are accepted.
    """
    try:
        with Image.open(io.BytesIO(file.read()), formats=FORMATS) as image:
            return _encoded(image, tell, max_seconds)
    except (NotAnImageError, VideoTooLargeError):
        raise
    except DAMAGED_ERRORS as error:
        raise NotAnImageError(DAMAGED) from error


def _encoded(image: Image.Image, tell: Callable[[int], object], max_seconds: int) -> ProcessedVideo:
    width, height = image.size
    if width * height > MAX_VIDEO_PIXELS:
        raise VideoTooLargeError(
            f"The animation has {width} x {height} pixels; at most {MAX_VIDEO_PIXELS} are accepted"
        )
    encoder = Encoder(width=width, height=height, sound=None, loops=True)
    number: int = getattr(image, "n_frames", 1)
    scaler, at = None, 0
    # An APNG may have a picture for those who cannot show it moving.
    for index in range(1 if image.info.get("default_image") else 0, number):
        image.seek(index)
        picture = image.convert("RGBA")
        opaque = on_white(picture, picture.getchannel("A"))
        frame: VideoFrame = VideoFrame.from_image(opaque)  # type: ignore[no-untyped-call]
        scaler = scaler or Scaler(frame, encoder.size)
        shown = image.info.get("duration", 0)
        shown = round(shown) if shown >= _SHORTEST_MS else _BROWSERS_MS
        encoder.add_frame(scaler.scaled(frame), at / 1000, shown / 1000)
        at += shown
        if at > 1000 * max_seconds:
            raise VideoTooLargeError(f"The animation is longer than {max_seconds} seconds")
        tell(99 * index // number)
    return encoder.finish()
