"""What the sandbox runs for videos and pictures that move. No Django, no storage."""

import io
from collections.abc import Callable
from typing import Any, BinaryIO

from PIL import Image

from media.structure.limits import HEAD_BYTES
from media.structure.videos import container_of
from media.video.animations import read_animation
from media.video.clips import read_clip
from media.video.tones import HLG, PQ, table


def make_video(
    file: BinaryIO, tell: Callable[[int], None], *, max_seconds: int
) -> tuple[dict[str, Any], list[bytes]]:
    """The variants of a video or a picture that moves, as an answer of the sandbox.

    Raises `NotAVideoError`, `NotAnImageError` and `VideoTooLargeError`.
    """
    format_ = container_of(file.read(HEAD_BYTES))
    file.seek(0)
    if format_ is None:
        video = read_animation(file, tell, max_seconds=max_seconds)
    else:
        video = read_clip(file, tell, format_=format_, max_seconds=max_seconds)
    return video.facts(), video.blobs()


def load_codecs() -> None:
    """Load all code and tables that `make_video` needs: make a video of a small picture, and of
    that one.
    """
    for transfer in (PQ, HLG):
        table(transfer)
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("black", "white")]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=100)
    buffer.seek(0)
    _, blobs = make_video(buffer, lambda percent: None, max_seconds=1)
    make_video(io.BytesIO(blobs[-1]), lambda percent: None, max_seconds=1)
