"""Images: from whatever was uploaded to clean JPEG variants. Pure; no Django, no storage.

What an upload is, its content decides. Metadata (EXIF with its GPS position, XMP, comments) is
dropped, after the orientation has been applied; colours are converted to sRGB.
"""

from __future__ import annotations

import io
import logging
import warnings
from dataclasses import dataclass
from typing import IO

import blurhash
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

logger = logging.getLogger(__name__)

FORMATS = ("JPEG", "PNG", "WEBP")
FULL_WIDTH = 1080
SMALL_WIDTH = 320
THUMB_SIDE = 150
# A picture taller than this many times its width is no picture, and would defeat the width limits.
MAX_ASPECT = 20
QUALITY = 85
_BLURHASH_SIDE = 32
_SRGB = ImageCms.createProfile("sRGB")


class NotAnImageError(ValueError):
    """The content is not an image of an accepted format; the text says why."""


class ImageTooLargeError(ValueError):
    """The image has too many pixels; the text says how many."""


@dataclass(frozen=True)
class ProcessedImage:
    """JPEG bytes by variant; size in pixels of the full one."""

    variants: dict[str, bytes]
    width: int
    height: int
    blurhash: str


def process_image(file: IO[bytes], *, max_pixels: int) -> ProcessedImage:
    """Decode an upload and make its variants: `full`, `small` and `thumb`.

    `full` is 1080 and `small` 320 pixels wide at most, never enlarged; `thumb` is the 150 pixel
    square from the middle. Raises `NotAnImageError` or `ImageTooLargeError`; the size is checked
    before anything is decoded.
    """
    image = _upright(_decode(file, max_pixels))
    full = _at_most(image, FULL_WIDTH)
    small = _at_most(full, SMALL_WIDTH)
    thumb = ImageOps.fit(full, (THUMB_SIDE, THUMB_SIDE), Image.Resampling.LANCZOS)
    tiny = full.resize((_BLURHASH_SIDE, _BLURHASH_SIDE), Image.Resampling.BOX)
    pixels = list(tiny.getdata())
    rows = [pixels[i : i + _BLURHASH_SIDE] for i in range(0, len(pixels), _BLURHASH_SIDE)]
    return ProcessedImage(
        variants={"full": _jpeg(full), "small": _jpeg(small), "thumb": _jpeg(thumb)},
        width=full.width,
        height=full.height,
        blurhash=blurhash.encode(rows, components_x=4, components_y=3),
    )


def _decode(file: IO[bytes], max_pixels: int) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # The limit is ours, below; Pillow's own warning about bombs says nothing new.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(file, formats=FORMATS)
            width, height = image.size
            if width * height > max_pixels:
                raise ImageTooLargeError(f"The image has {width} x {height} pixels")
            if max(width, height) > MAX_ASPECT * min(width, height):
                raise NotAnImageError(f"An image of {width} x {height} pixels is too narrow")
            if getattr(image, "is_animated", False):
                raise NotAnImageError("Animated images are not supported")
            image.draft("RGB", (2 * FULL_WIDTH, 2 * FULL_WIDTH))
            image.load()
    except UnidentifiedImageError as error:
        raise NotAnImageError("The file is not an image of a known format") from error
    except Image.DecompressionBombError as error:
        raise ImageTooLargeError("The image has far too many pixels") from error
    except (OSError, SyntaxError, EOFError, ValueError, MemoryError) as error:
        if isinstance(error, NotAnImageError | ImageTooLargeError):
            raise
        raise NotAnImageError("The image is damaged or incomplete") from error
    return image


def _upright(image: Image.Image) -> Image.Image:
    """Orientation applied, sRGB, no alpha: what is transparent becomes white."""
    image = _to_srgb(ImageOps.exif_transpose(image))
    if image.mode.startswith("I;16") or image.mode == "I":
        image = image.point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _to_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in {"RGB", "CMYK", "L"}:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        logger.info("an upload's colour profile is broken: its colours are taken as sRGB")
        return image
    return converted or image


def _at_most(image: Image.Image, width: int) -> Image.Image:
    if image.width <= width:
        return image
    height = max(1, round(image.height * width / image.width))
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _jpeg(image: Image.Image) -> bytes:
    # A new image: `save` would otherwise carry over what `info` still holds.
    clean = Image.new("RGB", image.size)
    clean.paste(image)
    buffer = io.BytesIO()
    clean.save(buffer, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    return buffer.getvalue()
