"""Reads an upload: its pixels, upright, and the profile of its colours. No Django, no storage."""

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pillow_heif
from PIL import AvifImagePlugin, ExifTags, Image, ImageFile, UnidentifiedImageError

from media.formats.colours import profile_of
from media.formats.jpeg import load_jpeg
from media.formats.png import load_png
from media.formats.webp import complete_webp
from media.structure import NotAnImageError
from media.structure.heif import coded_colours, is_avif, is_heic
from media.structure.limits import DAMAGED, MAX_PIXELS, check_size
from media.structure.webp import is_webp

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "HEIF", "AVIF")
# What is missing in these is measured (`media.formats`). The others must be complete.
_TOLERANT = frozenset({"JPEG", "MPO", "PNG", "WEBP"})
Image.MAX_IMAGE_PIXELS = None  # ours are checked before anything is decoded
# A decoder in the sandbox may start no thread, and needs nothing besides the picture.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
pillow_heif.options.DECODE_THREADS = 1
pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
# How to turn a picture upright, by its EXIF orientation; 1 is upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_ITS_SIDE = frozenset({5, 6, 7, 8})
# What the parsers of Pillow raise for damaged content.
DAMAGED_ERRORS = (
    ArithmeticError,
    AssertionError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
)


@dataclass(frozen=True)
class Picture:
    """An upload, decoded."""

    # Upright, in L, LA, RGB, RGBA or CMYK; without metadata. May be smaller than the upload.
    image: Image.Image
    # Width and height of the upload once it is upright.
    size: tuple[int, int]
    # The ICC profile of the colours.
    profile: bytes | None


def read_picture(content: bytes, *, max_pixels: int, side: int) -> Picture:
    """Decode an upload, of which some may be missing (`media.formats`).

    A JPEG is decoded at a half, a quarter or an eighth of its size if both sides stay as long as
    `side`. Raises `NotAnImageError` or `ImageTooLargeError`; the size is checked before anything is
    decoded.
    """
    image = _open(content, max_pixels)
    size = image.size
    try:
        with _tolerant(image.format in _TOLERANT):
            loaded = _load(image, content, side)
    except NotAnImageError:
        raise
    except DAMAGED_ERRORS as error:
        raise NotAnImageError(DAMAGED) from error
    profile, orientation = loaded.info.get("icc_profile"), _orientation(loaded.info.get("exif"))
    loaded.info = {}
    if orientation in _UPRIGHT:
        loaded = loaded.transpose(_UPRIGHT[orientation])
    if orientation in _ON_ITS_SIDE:
        size = size[::-1]
    return Picture(loaded, size, profile)


@contextmanager
def _tolerant(is_tolerant: bool) -> Iterator[None]:
    """Pillow ignores damaged metadata of a PNG, and stops without an error where pixels end."""
    ImageFile.LOAD_TRUNCATED_IMAGES = is_tolerant
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _open(content: bytes, max_pixels: int) -> ImageFile.ImageFile:
    """The picture, of which only the headers were read."""
    formats: tuple[str, ...] = FORMATS
    if is_webp(content):
        content = complete_webp(content)
    elif is_avif(content):
        formats = ("AVIF",)
    elif is_heic(content):
        # Pillow goes by the first kind that the file claims to be, which may be a general one.
        content, formats = content[:8] + b"heic" + content[12:], ("HEIF",)
    try:
        with _tolerant(True):
            image = Image.open(io.BytesIO(content), formats=formats)
    except UnidentifiedImageError as error:
        raise NotAnImageError("The file is not an image of a known format") from error
    except DAMAGED_ERRORS as error:
        raise NotAnImageError(DAMAGED) from error
    # The scan has checked the size that it read. This is the one that Pillow has read.
    limit = min(max_pixels, MAX_PIXELS["JPEG" if image.format == "MPO" else str(image.format)])
    check_size(*image.size, file_bytes=len(content), max_pixels=limit)
    return image


def _load(image: ImageFile.ImageFile, content: bytes, side: int) -> Image.Image:
    """The decoded picture; its `info` may have `icc_profile` and `exif`."""
    # Pillow calls a JPEG with more pictures behind the first one MPO. Some phones write such files
    # (depth, a second lens); the first picture is the photo.
    if image.format in {"JPEG", "MPO"}:
        return load_jpeg(content, side=side)
    # Further pictures in a HEIC are no frames: it may be a burst.
    if image.format != "HEIF" and getattr(image, "is_animated", False):
        raise NotAnImageError("Animated images are not supported")
    if image.format == "PNG":
        return load_png(image, content)
    image.load()
    profile = None
    if image.format in {"HEIF", "AVIF"} and not image.info.get("icc_profile"):
        profile = profile_of(*(coded_colours(content) or (0, 0)))
    picture = _in_channels(image, is_coloured=profile is not None)
    picture.info = image.info | ({"icc_profile": profile} if profile else {})
    return picture


def _in_channels(image: Image.Image, *, is_coloured: bool) -> Image.Image:
    """The picture in L, LA, RGB or RGBA; in the latter two if `is_coloured`, as its profile is."""
    if image.mode == "I;16":
        image = image.point(lambda value: value / 256).convert("L")
    if (image.mode in {"P", "L"} and image.has_transparency_data) or image.mode == "RGBa":
        return image.convert("RGBA")
    if image.mode == "P" or (image.mode == "L" and is_coloured):
        return image.convert("RGB")
    return image


def _orientation(exif: bytes | None) -> int | None:
    """The EXIF orientation. One in XMP turns no picture: browsers ignore it, too."""
    if not exif:
        return None
    try:
        tags = Image.Exif()
        tags.load(exif)
        found = tags.get(ExifTags.Base.Orientation)
    except DAMAGED_ERRORS:  # the image is taken as upright
        return None
    return found if isinstance(found, int) else None
