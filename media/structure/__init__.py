"""Scans the structure of a picture before anything decodes it. Pure functions over bytes.

A decoder takes time and memory for each segment, chunk, scan and claimed pixel, and a file can have
millions of them. So `check_structure` refuses a file that has more than a real picture has. The
scan is linear in the size of the file: it takes some milliseconds for ten megabytes.

It does not say that a picture is intact: that shows when it is decoded.
"""

from media.structure import gif, heif, jpeg, png, webp
from media.structure.limits import (
    MAX_PIXELS,
    AnimatedError,
    ImageTooLargeError,
    NotAnImageError,
)

__all__ = [
    "AnimatedError",
    "ImageTooLargeError",
    "NotAnImageError",
    "check_structure",
    "format_of",
]

_FORMATS = {
    "JPEG": (jpeg.is_jpeg, jpeg.check_jpeg),
    "PNG": (png.is_png, png.check_png),
    "WEBP": (webp.is_webp, webp.check_webp),
    "GIF": (gif.is_gif, gif.check_gif),
    "HEIF": (heif.is_heic, heif.check_heif),
    "AVIF": (heif.is_avif, heif.check_heif),
}


def format_of(content: bytes) -> str | None:
    """The format of a file by its first bytes, by Pillow's name; None if it is none of ours."""
    return next((name for name, (accepts, _) in _FORMATS.items() if accepts(content)), None)


def check_structure(content: bytes, *, max_pixels: int, max_frames: int = 1) -> None:
    """Refuse a file of another format, or that would be too expensive to decode.

    Raises `NotAnImageError`, or `ImageTooLargeError` if it claims more than `max_pixels`, or more
    than its format may have. `AnimatedError`: the picture moves, and one frame is accepted.
    """
    format_ = format_of(content)
    if format_ is None:
        raise NotAnImageError("The file is not an image of a known format")
    _, check = _FORMATS[format_]
    check(content, max_pixels=min(max_pixels, MAX_PIXELS[format_]), max_frames=max_frames)
