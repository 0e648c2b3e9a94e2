"""Stills as phones make them, from a picture that is known, with what phones write beside it.

Everything but the picture names SECRET, or the place of POSITION, so that it is found wherever it
should not be.
"""

import re
import struct
from collections.abc import Sequence
from itertools import product
from random import Random
from typing import Any

import pillow_heif
from PIL import Image, ImageCms, ImageDraw
from PIL.ExifTags import GPS, IFD, Base

from tests.support.boxes import box
from tests.support.hostile import segment
from tests.support.images import encoded

pillow_heif.register_heif_opener()
Size = tuple[int, int]

SECRET = "Sunny Lane 7"
POSITION = "+48.8584+002.2945/"
BURST = "2B67C0E5-53E5-4F4F-8D0C-4A3B1F2A9D11"
_NS = {
    "Camera": "http://ns.google.com/photos/1.0/camera/",
    "GPano": "http://ns.google.com/photos/1.0/panorama/",
    "hdrgm": "http://ns.adobe.com/hdr-gain-map/1.0/",
    "Container": "http://ns.google.com/photos/1.0/container/",
    "Item": "http://ns.google.com/photos/1.0/container/item/",
}
# No phone compresses so little, but x265 takes half a minute for a photo otherwise.
_FAST = {"preset": "ultrafast"}


def scene(size: Size, seed: int = 0) -> Image.Image:
    """A picture like a photo: soft colours, grain, hard edges, and no symmetry."""
    *colours, grain = (
        _noise(seed + number, size, cells)
        for number, cells in enumerate([(5, 4), (4, 5), (6, 3), (270, 200)])
    )
    picture = Image.merge("RGB", [Image.blend(colour, grain, 0.25) for colour in colours])
    width, height = size
    draw = ImageDraw.Draw(picture)
    draw.ellipse((0.05 * width, 0.1 * height, 0.3 * width, 0.5 * height), fill=(240, 140, 20))
    draw.rectangle((0.6 * width, 0.6 * height, 0.9 * width, 0.9 * height), fill=(20, 30, 110))
    for number in range(8):
        left = (0.35 + 0.03 * number) * width
        line = (left, 0.05 * height, left + 0.1 * width, 0.6 * height)
        draw.line(line, fill="white", width=1 + width // 300)
    return picture


def _noise(seed: int, size: Size, cells: Size) -> Image.Image:
    values = Random(seed).randbytes(cells[0] * cells[1])
    return Image.frombytes("L", cells, values).resize(size, Image.Resampling.BICUBIC)


def heic(picture: Image.Image, *, orientation: int = 1) -> bytes:
    """A photo of an iPhone: in tiles, in Display P3, turned by a property that EXIF repeats."""
    return encoded(
        picture,
        "HEIF",
        exif=exif(orientation=orientation).tobytes(),
        icc_profile=display_p3_profile(),
        quality=85,
        tile_size=512,
        enc_params=_FAST,
    )


def heic_burst(pictures: Sequence[Image.Image], *, primary: int) -> bytes:
    """Several pictures in one file, one of which its owner has chosen."""
    first, *others = pictures
    return encoded(
        first,
        "HEIF",
        save_all=True,
        append_images=others,
        primary_index=primary,
        quality=85,
        enc_params=_FAST,
    )


def exif(*, orientation: int = 1, burst: str = "") -> Image.Exif:
    """The EXIF of a phone, with a position; `burst`: the identifier that its pictures share."""
    tags = Image.Exif()
    tags[Base.Make], tags[Base.Model] = "Apple", SECRET
    tags[Base.Orientation] = orientation
    tags.get_ifd(IFD.GPSInfo).update(
        {
            GPS.GPSLatitudeRef: "N",
            GPS.GPSLatitude: (48.0, 51.0, 30.24),
            GPS.GPSLongitudeRef: "E",
            GPS.GPSLongitude: (2.0, 17.0, 40.2),
        }
    )
    if burst:
        tags.get_ifd(IFD.Exif)[Base.MakerNote] = _apple_note(burst)
    return tags


def _apple_note(burst: str) -> bytes:
    """Apple's note with one entry, 11: the burst. Its text comes behind 32 bytes of head."""
    text = burst.encode() + b"\0"
    entry = struct.pack(">HHHII", 1, 11, 2, len(text), 32)
    return b"Apple iOS\0\0\1MM" + entry + bytes(4) + text


def jpeg(picture: Image.Image, **options: Any) -> bytes:
    """A photo as phones compress it."""
    return encoded(picture, quality=92, **{"exif": exif(), **options})


def motion_photo(picture: Image.Image, video: bytes) -> bytes:
    """A JPEG with a video behind it, as Pixels and Galaxies write it."""
    xmp = _xmp(
        'Camera:MotionPhoto="1" Camera:MotionPhotoVersion="1" '
        'Camera:MotionPhotoPresentationTimestampUs="500000"',
        [("image/jpeg", "Primary", 0), ("video/mp4", "MotionPhoto", len(video))],
    )
    return jpeg(picture, exif=exif(orientation=6), xmp=xmp) + video


def heic_motion_photo(picture: Image.Image, video: bytes) -> bytes:
    """A HEIC with a video in a box of its own at the end."""
    return heic(picture) + box(b"mpvd", video)


def ultra_hdr(picture: Image.Image) -> bytes:
    """A JPEG for ordinary screens with a gain map behind it, which makes it one for HDR."""
    gains = picture.convert("L").resize((picture.width // 4, picture.height // 4))
    gain_map = encoded(
        gains,
        quality=85,
        xmp=_xmp('hdrgm:Version="1.0" hdrgm:GainMapMax="2.3" hdrgm:HDRCapacityMax="2.3"'),
    )
    xmp = _xmp(
        'hdrgm:Version="1.0"',
        [("image/jpeg", "Primary", 0), ("image/jpeg", "GainMap", len(gain_map))],
    )
    base = jpeg(picture, xmp=xmp)
    # The version of the gain map, as ISO 21496-1 has it, and the index of both pictures (CIPA
    # DC-007): where the second one begins, counted from behind `MPF`.
    iso = segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + bytes(4))
    at = 2 + len(iso)
    length = len(base) + len(iso) + len(_mpf(0, 0, 0))
    index = _mpf(length, len(gain_map), length - at - 8)
    return base[:2] + iso + index + base[2:] + gain_map


def _mpf(first: int, second: int, offset: int) -> bytes:
    """The index of two pictures: how long they are, and where the second one is."""
    entries = struct.pack(">IIIHH", 0x030000, first, 0, 0, 0)
    entries += struct.pack(">IIIHH", 0, second, offset, 0, 0)
    tags = struct.pack(">HHI4s", 0xB000, 7, 4, b"0100") + struct.pack(">HHII", 0xB001, 4, 1, 2)
    tags += struct.pack(">HHII", 0xB002, 7, len(entries), 8 + 2 + 3 * 12 + 4)
    head = b"MM\0*" + struct.pack(">IH", 8, 3)
    return segment(0xE2, b"MPF\0" + head + tags + bytes(4) + entries)


def panorama(picture: Image.Image, *, degrees: int) -> bytes:
    """A panorama that says how much of the sphere it covers."""
    full = picture.width * 360 // degrees
    xmp = _xmp(
        'GPano:ProjectionType="cylindrical" GPano:UsePanoramaViewer="True" '
        f'GPano:FullPanoWidthPixels="{full}" GPano:FullPanoHeightPixels="{full // 2}" '
        f'GPano:CroppedAreaImageWidthPixels="{picture.width}" '
        f'GPano:CroppedAreaImageHeightPixels="{picture.height}" '
        f'GPano:CroppedAreaLeftPixels="{(full - picture.width) // 2}" '
        f'GPano:CroppedAreaTopPixels="{(full // 2 - picture.height) // 2}"'
    )
    return jpeg(picture, xmp=xmp)


def tiled(size: Size) -> Image.Image:
    """A large picture: a scene twice beside and below itself."""
    tile = scene((size[0] // 2, size[1] // 2))
    picture = Image.new("RGB", size)
    for left, top in product((0, tile.width), (0, tile.height)):
        picture.paste(tile, (left, top))
    return picture


def tall(strip: Image.Image, height: int) -> bytes:
    """A JPEG of a strip that is repeated downwards up to this height, without all its pixels ever
    being in memory: rows of blocks that end with a restart marker can be repeated as bytes.
    """
    content = jpeg(strip, restart_marker_rows=1)
    start = content.rindex(b"\xff\xda")
    start += 2 + int.from_bytes(content[start + 2 : start + 4], "big")
    rows = re.split(rb"\xff[\xd0-\xd7]", content[start:-2])
    count = -(-height // 16)
    restarts = (bytes((0xFF, 0xD0 + number % 8)) for number in range(count - 1))
    parts = [rows[number % len(rows)] for number in range(count)]
    scan = b"".join(map(bytes.__add__, parts, (*restarts, b"\xff\xd9")))
    frame = content.index(b"\xff\xc0\0\x11\x08") + 5
    head = content[:frame] + struct.pack(">H", height) + content[frame + 2 : start]
    return head + scan


def display_p3_profile() -> bytes:
    """The profile of iPhones: sRGB's curves with the primaries of Display P3, for D50."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    primaries = {
        b"rXYZ": (0.515121, 0.241196, -0.001053),
        b"gXYZ": (0.291977, 0.692245, 0.041885),
        b"bXYZ": (0.157104, 0.066574, 0.784073),
    }
    for name, point in primaries.items():
        entry = profile.index(name)
        at = int.from_bytes(profile[entry + 4 : entry + 8], "big") + 8
        struct.pack_into(">3i", profile, at, *(round(65536 * value) for value in point))
    return bytes(profile)


def _xmp(attributes: str, items: Sequence[tuple[str, str, int]] = ()) -> bytes:
    """XMP with these attributes, and a directory of what is in the file."""
    names = " ".join(f'xmlns:{name}="{uri}"' for name, uri in _NS.items())
    listed = "".join(
        f'<rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="{mime}" '
        f'Item:Semantic="{semantic}" Item:Length="{length}"/></rdf:li>'
        for mime, semantic, length in items
    )
    directory = f"<Container:Directory><rdf:Seq>{listed}</rdf:Seq></Container:Directory>"
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="{SECRET}" {names} {attributes}>'
        f"{directory if items else ''}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()
