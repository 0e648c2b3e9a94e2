"""Pictures for the tests."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base


def plain(size: tuple[int, int] = (64, 48), mode: str = "RGB", color: Any = None) -> Image.Image:
    """An image of one colour, with a darker quarter at the top left to tell its orientation."""
    image = Image.new(mode, size, "tomato" if color is None else color)
    if mode == "RGB":
        image.paste("navy", (0, 0, size[0] // 2, size[1] // 2))
    return image


def encoded(image: Image.Image, format_: str = "JPEG", **options: Any) -> bytes:
    """The bytes of an image in a format."""
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def jpeg_with_gps(size: tuple[int, int] = (64, 48), orientation: int = 1) -> bytes:
    """A JPEG as a phone makes it: EXIF with a camera, an orientation and a position."""
    exif = Image.Exif()
    exif[Base.Make] = "Camera & Sons"
    exif[Base.Orientation] = orientation
    exif.get_ifd(IFD.GPSInfo).update({GPS.GPSLatitudeRef: "N", GPS.GPSLatitude: (48.0, 51.0, 29.6)})
    return encoded(plain(size), exif=exif, comment=b"taken at home", quality=90)


def decoded(content: bytes) -> Image.Image:
    """The image in some bytes."""
    return Image.open(io.BytesIO(content))
