"""Files that must not be published, and files of which only the pixels may be."""

import io
import zipfile
from collections.abc import Iterator

import pillow_heif
from PIL import Image, PngImagePlugin
from PIL.ExifTags import GPS, IFD, Base

from tests.support.hostile import HOSTILE, segment, with_chunks, with_segments
from tests.support.images import chunk, encoded, plain, with_iptc

# In all that is no pixel of the files that are cleaned.
MARK = b"Sunny Lane 7"
# The seconds of a position, as EXIF has them: 29.6 and 3.14159.
POSITION = (48.0, 51.0, 29.6), (2.0, 17.0, 3.14159)
TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "HEIF": "image/heic",
    "AVIF": "image/avif",
    "GIF": "image/gif",
}
pillow_heif.register_heif_opener()
_SCRIPT = b"<script>alert(document.domain)</script>"
_OTHERS = {
    "HTML": b"<!DOCTYPE html><html><body>" + _SCRIPT,
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "XML with an entity": b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>",
    "script": b"#!/bin/sh\nrm -rf /tmp/nothing\n",
    "PDF": b"%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file\n",
    "MVG of ImageMagick": b"push graphic-context\nviewbox 0 0 9 9\nimage over 0,0 0,0 'url(http://127.0.0.1/)'\n",
    "playlist": b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST",
    "ELF": b"\x7fELF\x02\x01\x01" + bytes(100),
    "Windows program": b"MZ" + bytes(200),
    "gzip": bytes.fromhex("1f8b0800000000000003") + bytes(20),
    "TIFF": b"II*\0\x08\0\0\0" + bytes(100),
    "BMP": b"BM" + bytes(100),
    "ICO": b"\0\0\1\0\1\0" + bytes(100),
    "PSD": b"8BPS\0\1" + bytes(100),
    "JPEG 2000": bytes.fromhex("0000000c6a5020200d0a870a") + bytes(100),
    "MP4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(100),
    "Matroska": bytes.fromhex("1a45dfa3") + bytes(100),
    "WAV": b"RIFF\x24\0\0\0WAVEfmt " + bytes(100),
    "zeros": bytes(1000),
}


def refused() -> Iterator[tuple[str, str, bytes]]:
    """The name, the content type that is claimed, and the content of each file to refuse."""
    for name, hostile in HOSTILE.items():
        content = hostile.make()
        yield name, _type_of(content), content
    for format_, content_type in TYPES.items():
        whole = encoded(_noise(), format_)
        for percent in (5, 20, 40, 60, 80):
            yield f"{percent} % of a {format_}", content_type, whole[: len(whole) * percent // 100]
    for name, content in _OTHERS.items():
        yield name, "image/jpeg", content
    # What begins as a picture of the claimed type, and is none.
    for format_, start in (("JPEG", b"\xff\xd8\xff\xe0"), ("PNG", b"\x89PNG\r\n\x1a\n")):
        yield f"HTML behind the first bytes of a {format_}", TYPES[format_], start + _SCRIPT * 20
    yield "script behind the first bytes of a GIF", TYPES["GIF"], b"GIF89a/*" + _SCRIPT + b"*/=1;"


def cleaned() -> Iterator[tuple[str, str, bytes]]:
    """The same of files that are accepted: pictures with MARK, or a position, beside the pixels."""
    picture = plain((320, 240))
    for format_ in ("JPEG", "PNG", "WEBP", "HEIF", "AVIF"):
        yield f"EXIF in {format_}", TYPES[format_], encoded(picture, format_, exif=_exif())
        xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>GPSLatitude=" + MARK + b"</x:xmpmeta>"
        yield f"XMP in {format_}", TYPES[format_], encoded(picture, format_, xmp=xmp)
    jpeg, png, gif = (encoded(picture, format_) for format_ in ("JPEG", "PNG", "GIF"))
    yield "IPTC", TYPES["JPEG"], with_iptc(jpeg, MARK)
    yield "comment", TYPES["JPEG"], encoded(picture, comment=MARK)
    yield "application segment", TYPES["JPEG"], with_segments(jpeg, segment(0xE9, MARK))
    yield "behind the end of a JPEG", TYPES["JPEG"], jpeg + MARK + _SCRIPT
    yield "JPEG that is a ZIP", TYPES["JPEG"], jpeg + _archive()
    yield "JPEG behind a JPEG", TYPES["JPEG"], jpeg + encoded(picture, comment=MARK)
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Location", MARK.decode())
    yield "text in PNG", TYPES["PNG"], encoded(picture, "PNG", pnginfo=texts)
    yield "private chunk", TYPES["PNG"], with_chunks(png, chunk(b"prVt", MARK))
    yield "behind the end of a PNG", TYPES["PNG"], png + MARK + _SCRIPT
    yield "PNG that is a ZIP", TYPES["PNG"], png + _archive()
    yield "comment in GIF", TYPES["GIF"], encoded(picture, "GIF", comment=MARK)
    yield "behind the end of a GIF", TYPES["GIF"], gif + MARK + _SCRIPT


def _noise() -> Image.Image:
    """A picture that is no smaller for being plain."""
    return Image.effect_noise((320, 240), 80).convert("RGB")


def _type_of(content: bytes) -> str:
    """The content type that the first bytes of a hostile file claim."""
    starts = {b"\x89PNG": "PNG", b"RIFF": "WEBP", b"GIF8": "GIF", b"\0\0\0": "HEIF"}
    return TYPES[next((it for start, it in starts.items() if content.startswith(start)), "JPEG")]


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[Base.ImageDescription] = MARK.decode()
    exif.get_ifd(IFD.Exif)[Base.MakerNote] = MARK
    (north, east) = POSITION
    exif.get_ifd(IFD.GPSInfo).update(
        {
            GPS.GPSLatitudeRef: "N",
            GPS.GPSLatitude: north,
            GPS.GPSLongitudeRef: "E",
            GPS.GPSLongitude: east,
        }
    )
    return exif


def _archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.html", MARK + _SCRIPT)
    return buffer.getvalue()
