"""Pictures for the tests."""

import io
import struct
import zlib
from functools import cache
from typing import Any

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

from media.images import process_image
from media.structure import check_structure
from media.variants import ProcessedImage

MAX_PIXELS = 50_000_000


def plain(size: tuple[int, int] = (64, 48), mode: str = "RGB", color: Any = None) -> Image.Image:
    """An image of one colour. In RGB a darker top left quarter shows the orientation."""
    image = Image.new(mode, size, "tomato" if color is None else color)
    if mode == "RGB":
        image.paste("navy", (0, 0, size[0] // 2, size[1] // 2))
    return image


def processed(content: bytes, max_pixels: int = MAX_PIXELS) -> ProcessedImage:
    """The variants of an upload, which is scanned before."""
    check_structure(content, max_pixels=max_pixels)
    return process_image(content, max_pixels=max_pixels)


def encoded(image: Image.Image, format_: str = "JPEG", **options: Any) -> bytes:
    """The bytes of an image in this format."""
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def jpeg_with_gps(size: tuple[int, int] = (64, 48), orientation: int = 1) -> bytes:
    """A JPEG like a phone's: EXIF with a camera, an orientation and a GPS position."""
    exif = Image.Exif()
    exif[Base.Make] = "Camera & Sons"
    exif[Base.Orientation] = orientation
    exif.get_ifd(IFD.GPSInfo).update({GPS.GPSLatitudeRef: "N", GPS.GPSLatitude: (48.0, 51.0, 29.6)})
    return encoded(plain(size), exif=exif, comment=b"taken at home", quality=90)


def decoded(content: bytes) -> Image.Image:
    """The image that these bytes encode."""
    return Image.open(io.BytesIO(content))


def png_bomb(side: int = 60_000) -> bytes:
    """A small file whose header claims a PNG of `side` x `side` pixels."""
    content = bytearray(encoded(Image.new("1", (8, 8)), "PNG"))
    content[16:24] = side.to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


def without_chunk(png: bytes, name: bytes) -> bytes:
    """A PNG without one of its chunks."""
    start = png.index(name) - 4
    end = start + 12 + int.from_bytes(png[start : start + 4], "big")
    return png[:start] + png[end:]


def with_iptc(jpeg: bytes, text: bytes) -> bytes:
    """A JPEG with an IPTC caption, as photo editors write it."""
    caption = b"\x1c\x02\x78" + struct.pack(">H", len(text)) + text
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(caption)) + caption
    payload = b"Photoshop 3.0\0" + resource + b"\0" * (len(resource) % 2)
    return jpeg[:2] + b"\xff\xed" + struct.pack(">H", 2 + len(payload)) + payload + jpeg[2:]


def linear_grey_profile() -> bytes:
    """An ICC profile of linear grey: half the value is half the light, which is 188 in sRGB."""
    white = struct.pack(">4s4x3i", b"XYZ ", 63190, 65536, 54061)
    curve = struct.pack(">4s4xI4x", b"curv", 0)
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"wtpt": white, b"kTRC": curve})


def green_ink_profile() -> bytes:
    """An ICC profile of CMYK where no ink is white, all inks are black, and all else is green."""
    inks = [(255, 128, 128), *[(128, 60, 200)] * 14, (0, 128, 128)]
    ramp = bytes(range(256))
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table = struct.pack(">4s4x4B", b"mft1", 4, 3, 2, 0) + matrix + ramp * 4
    table += bytes(channel for lab in inks for channel in lab) + ramp * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table})


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """The smallest ICC 2 profile with these tags (ICC.1:2001-04, 6.1 and 6.2)."""
    offset = 128 + 4 + 12 * len(tags)
    index, body = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        index += struct.pack(">4s2I", name, offset + len(body), len(content))
        body += content
    header = struct.pack(
        ">I4xI4s4s4s12x4s28x3i48x",
        *(offset + len(body), 0x02400000, kind, space, connection, b"acsp"),
        *(63190, 65536, 54061),
    )
    return header + index + body


def padded_jpeg(padding: int) -> bytes:
    """A JPEG with so many fill bytes behind its first marker."""
    content = encoded(plain())
    return content[:2] + b"\xff" * padding + content[2:]


# So large that they take a decoder the most time of their kinds.
_LARGE = (6320, 4740)


@cache
def large_jpeg() -> bytes:
    """A progressive JPEG of 30 million pixels."""
    noise = [Image.effect_noise((790, 592), spread).resize(_LARGE) for spread in (40, 60, 80)]
    return encoded(Image.merge("RGB", noise), progressive=True, subsampling=0, quality=80)


@cache
def large_png() -> bytes:
    """A PNG of 30 million pixels."""
    return encoded(Image.new("RGBA", _LARGE, (9, 9, 9, 99)), "PNG")


def png(
    header: tuple[int, int, int, int], rows: bytes, *chunks: tuple[bytes, bytes], interlace: int = 0
) -> bytes:
    """A PNG of rows with their filters, or of the rows of seven passes. `header`: width, height,
    depth, colour type. The chunks, with names, come before the pixels.
    """
    parts = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", struct.pack(">IIBB2xB", *header, interlace))]
    parts += [chunk(name, content) for name, content in chunks]
    parts += [chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"".join(parts)


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)
