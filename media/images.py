"""Turns an uploaded image into clean JPEG variants. No Django, no storage.

It runs in the sandbox (`media.sandbox`), which limits its time and memory, and only after
`media.structure` has accepted the upload. The content of an upload decides its format. Only its
pixels get into the variants: the orientation is applied, then all metadata (EXIF with its GPS
position, XMP, IPTC, comments) is dropped; colours are converted to sRGB; transparent pixels become
white. Any upload gives a picture or one of the two errors of `media.structure`.
"""

import io
from typing import Any

import blurhash
from PIL import Image, ImageCms

from media.picture import FORMATS, read_picture
from media.variants import VARIANTS, ProcessedImage

FULL_WIDTH = 1080
SMALL_WIDTH = 320
THUMB_SIDE = 150
QUALITY = 85
# Pillow may average whole pixels first, as long as the image stays so many times as large as the
# result. This takes less than half of the time, and the difference (50 dB) is not visible.
_REDUCING_GAP = 1.5
# In pixels. Enough for the four waves of a blurhash; the time grows with the square.
_BLURHASH_SIDE = 20
_SRGB = ImageCms.createProfile("sRGB")


def make_variants(content: bytes, *, max_pixels: int) -> tuple[dict[str, Any], list[bytes]]:
    """What `process_image` makes of an upload, as an answer of the sandbox."""
    image = process_image(content, max_pixels=max_pixels)
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
    """Decode an upload and make its variants: `full`, `small` and `thumb`.

    `full` is 1080 and `small` 320 pixels wide at most, never enlarged; `thumb` is the 150 pixel
    square from the middle. Raises `NotAnImageError` or `ImageTooLargeError`; the size is checked
    before anything is decoded.
    """
    # It is not known yet which of its sides is the width.
    picture = read_picture(content, max_pixels=max_pixels, side=FULL_WIDTH)
    # Shrunk first: the conversion of colours then costs a fraction.
    full = _clean(_at_most(picture.image, FULL_WIDTH), picture.profile)
    small = _at_most(full, SMALL_WIDTH)
    return ProcessedImage(
        variants=dict(zip(VARIANTS, map(_jpeg, (full, small, _thumb(full))), strict=True)),
        width=full.width,
        height=full.height,
        blurhash=_blurhash(small),
    )


def _at_most(image: Image.Image, width: int) -> Image.Image:
    if image.width <= width:
        return image
    size = (width, max(1, round(image.height * width / image.width)))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=_REDUCING_GAP)


def _clean(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The image in sRGB, on white, without the metadata in `info` that a variant would carry."""
    alpha = image.getchannel("A") if image.mode.endswith("A") else None
    colours = _to_srgb(image.convert(image.mode.removesuffix("A")), profile).convert("RGB")
    clean = Image.new("RGB", image.size, "white")
    clean.paste(colours, mask=alpha)
    return clean


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if not profile:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):  # it does not fit: the colours are taken as sRGB
        return image
    return converted or image


def _thumb(image: Image.Image) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.resize(
        (THUMB_SIDE, THUMB_SIDE),
        Image.Resampling.LANCZOS,
        box=(left, top, left + side, top + side),
        reducing_gap=_REDUCING_GAP,
    )


def _blurhash(image: Image.Image) -> str:
    tiny = image.resize((_BLURHASH_SIDE, _BLURHASH_SIDE), Image.Resampling.BOX)
    pixels = tiny.get_flattened_data()
    rows = [pixels[i : i + _BLURHASH_SIDE] for i in range(0, len(pixels), _BLURHASH_SIDE)]
    code: str = blurhash.encode(rows, components_x=4, components_y=3)
    return code


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    # Progressive: 7 % smaller, and the first bytes already give a rough picture.
    image.save(buffer, "JPEG", quality=QUALITY, progressive=True)
    return buffer.getvalue()
