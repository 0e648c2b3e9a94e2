"""Turns an uploaded image into clean variants, each as JPEG and as WebP. No Django, no storage.

It runs in the sandbox (`media.sandbox`), which limits its time and memory, and only after
`media.structure` has accepted the upload. The content of an upload decides its format. Only its
pixels get into the variants: the orientation is applied, then all metadata (EXIF with its GPS
position, XMP, IPTC, comments) is dropped; colours are converted to sRGB; transparent pixels become
white. Any upload gives a picture or one of the two errors of `media.structure`.
"""

import io
from collections.abc import Callable
from typing import Any, BinaryIO

import blurhash
from PIL import Image, ImageCms

from media.formats.picture import FORMATS, read_picture
from media.variants import MEDIUM_WIDTH, SMALL_WIDTH, VARIANTS, ProcessedImage

FULL_WIDTH = 1080
# Of `full`: a wide picture gets wider than FULL_WIDTH rather than lower than this (1.91 : 1).
FULL_SHORT_SIDE = 566
FULL_SIDE = 4096
THUMB_SIDE = 320
# Of about the same likeness (decision 25); the WebP is a quarter smaller.
JPEG_QUALITY, WEBP_QUALITY = 85, 84
# Pillow may average whole pixels first, as long as the image stays so many times as large as the
# result. This takes less than half of the time, and the difference (50 dB) is not visible.
_REDUCING_GAP = 1.5
# In pixels. Enough for the four waves of a blurhash; the time grows with the square.
_BLURHASH_SIDE = 20
_SRGB = ImageCms.createProfile("sRGB")


def make_variants(
    file: BinaryIO, _tell: Callable[[int], None], *, max_pixels: int
) -> tuple[dict[str, Any], list[bytes]]:
    """What `process_image` makes of an upload, as an answer of the sandbox."""
    image = process_image(file.read(), max_pixels=max_pixels)
    return image.facts(), list(image.variants.values())


def load_codecs() -> None:
    """Load all code and tables that `process_image` needs, by processing a small picture of each
    format.
    """
    picture = Image.new("RGBA", (8, 8))
    profile = ImageCms.ImageCmsProfile(_SRGB).tobytes()
    for format_ in FORMATS:
        buffer = io.BytesIO()
        picture.convert("RGB").save(buffer, format_, icc_profile=profile)
        process_image(buffer.getvalue(), max_pixels=64)


def process_image(content: bytes, *, max_pixels: int) -> ProcessedImage:
    """Decode an upload and make its variants: `full`, `medium`, `small` and `thumb`.

    Each is made from the upload, and never enlarged. `full` is 1080 pixels wide at most; a picture
    that would then be less than 566 high gets as wide as that takes. No side is over 4096. `medium`
    is 640 pixels wide at most, `small` 320, and none is larger than `full`. `thumb` is the square
    from the middle, of 320 pixels at most. Raises `NotAnImageError` or `ImageTooLargeError`; the
    size is checked before anything is decoded.
    """
    # Each variant's short side is at most as long, so what is decoded has enough pixels for all.
    picture = read_picture(content, max_pixels=max_pixels, side=FULL_WIDTH)
    return variants_of(picture.image, size=picture.size, profile=picture.profile)


def variants_of(
    image: Image.Image, *, size: tuple[int, int], profile: bytes | None
) -> ProcessedImage:
    """The variants of a decoded picture, upright. `size`: width and height of the upload, in
    pixels, which may be more than the image has. `profile`: the ICC profile of its colours.
    """
    width, height = size
    scale = full_scale(width, height)
    to_srgb = _converter(image.mode.removesuffix("A"), profile)
    factors = [scale, *(min(scale, side / width) for side in (MEDIUM_WIDTH, SMALL_WIDTH))]
    # Shrunk first: the conversion of colours then costs a fraction.
    shrunk = {
        factor: _clean(_shrunk(image, width * factor, height * factor), to_srgb)
        for factor in set(factors)
    }
    full, medium, small = (shrunk[factor] for factor in factors)
    thumb = _clean(_thumb(image, min(THUMB_SIDE, width, height)), to_srgb)
    # Those of a small picture are the same one, which is encoded once.
    encoded = {id(each): (_jpeg(each), _webp(each)) for each in (*shrunk.values(), thumb)}
    jpegs, webps = zip(*(encoded[id(each)] for each in (full, medium, small, thumb)), strict=True)
    return ProcessedImage(
        variants=dict(zip(VARIANTS, jpegs + webps, strict=True)),
        width=full.width,
        height=full.height,
        original_width=width,
        original_height=height,
        blurhash=_blurhash(small),
    )


def full_scale(width: int, height: int) -> float:
    """How much a picture is shrunk to be `full`."""
    scale = max(FULL_WIDTH / width, FULL_SHORT_SIDE / min(width, height))
    return min(1.0, scale, FULL_SIDE / max(width, height))


def _shrunk(image: Image.Image, width: float, height: float) -> Image.Image:
    size = max(1, round(width)), max(1, round(height))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=_REDUCING_GAP)


def _thumb(image: Image.Image, side: int) -> Image.Image:
    whole = min(image.size)
    left, top = (image.width - whole) // 2, (image.height - whole) // 2
    return image.resize(
        (side, side),
        Image.Resampling.LANCZOS,
        box=(left, top, left + whole, top + whole),
        reducing_gap=_REDUCING_GAP,
    )


def _clean(image: Image.Image, to_srgb: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """The image in sRGB, on white, without metadata."""
    alpha = image.getchannel("A") if image.mode.endswith("A") else None
    return on_white(to_srgb(image.convert(image.mode.removesuffix("A"))), alpha)


def on_white(colours: Image.Image, alpha: Image.Image | None) -> Image.Image:
    """The colours on white, in RGB, without metadata. `alpha`: how opaque they are; None: fully."""
    image = Image.new("RGB", colours.size, "white")
    image.paste(colours, mask=alpha)
    return image


def _converter(mode: str, profile: bytes | None) -> Callable[[Image.Image], Image.Image]:
    """What converts images of this mode, with colours of this profile, to sRGB."""
    transform = None
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            transform = ImageCms.buildTransform(source, _SRGB, mode, "RGB")
        except (ImageCms.PyCMSError, OSError):  # it does not fit: the colours are taken as sRGB
            pass

    def to_srgb(image: Image.Image) -> Image.Image:
        converted = ImageCms.applyTransform(image, transform) if transform else None
        return converted or image.convert("RGB")

    return to_srgb


def _blurhash(image: Image.Image) -> str:
    tiny = image.resize((_BLURHASH_SIDE, _BLURHASH_SIDE), Image.Resampling.BOX)
    pixels = tiny.get_flattened_data()
    rows = [pixels[i : i + _BLURHASH_SIDE] for i in range(0, len(pixels), _BLURHASH_SIDE)]
    code: str = blurhash.encode(rows, components_x=4, components_y=3)
    return code


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    # Progressive: 7 % smaller, and the first bytes already give a rough picture.
    image.save(buffer, "JPEG", quality=JPEG_QUALITY, progressive=True)
    return buffer.getvalue()


def _webp(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=WEBP_QUALITY)
    return buffer.getvalue()
