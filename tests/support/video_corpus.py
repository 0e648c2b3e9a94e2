"""Videos and pictures that move which must not be published, and some of which only pixels may."""

import struct
from collections.abc import Callable, Iterator

from PIL import Image

from tests.support.boxes import box, full_box
from tests.support.corpus import MARK
from tests.support.videos import animated, quarters, turned, video, with_captions

MP4, WEBM = "video/mp4", "video/webm"
File = tuple[str, str, bytes]
_TYPES = {"GIF": "image/gif", "WEBP": "image/webp", "PNG": "image/png"}
_HUGE = 2**31 - 1


def refused() -> Iterator[File]:
    """The name, the content type that is claimed, and the content of each file to refuse."""
    plain, webm = video(sound=None), video(codec="libvpx", container="webm", sound=None)
    for percent in (5, 30, 60, 90):
        yield f"{percent} % of an MP4", MP4, plain[: len(plain) * percent // 100]
        yield f"{percent} % of a WebM", WEBM, _cut(webm, percent)
    for codec in ("mpeg4", "mjpeg", "prores_ks"):
        pixels = {"mjpeg": "yuvj420p", "prores_ks": "yuv422p10le"}.get(codec, "yuv420p")
        content = video(codec=codec, container="mov", sound=None, pix_fmt=pixels, frames=None)
        yield codec, "video/quicktime", content
    yield "Matroska", WEBM, video(container="matroska", sound=None)
    yield "95 seconds", MP4, video(times=(0, 94, 95), sound=None)
    yield (
        "4112 x 2304",
        MP4,
        video(size=(4112, 2304), times=(0,), sound=None, options={"preset": "ultrafast"}),
    )
    yield "8 pixels high", MP4, video(size=(320, 8), sound=None)
    yield "thousands of tracks", MP4, _with_more(plain, box(b"trak") * 5000)
    yield "twenty tracks", MP4, _with_more(plain, _track() * 20)
    yield "a compressed index", MP4, _with_more(plain, box(b"cmov", bytes(20)))
    yield "an index of nine megabytes", MP4, _with_more(plain, box(b"udta", bytes(9_000_000)))
    yield "another file", MP4, _with_reference(plain, b"alis", b"/etc/passwd\0")
    yield "an address", MP4, _with_reference(plain, b"url ", b"http://127.0.0.1:1/x.mp4\0")
    yield "thousands of edits", MP4, _with_more(plain, _track(edits=5000))
    yield "a million samples", MP4, _with_table(plain, b"stsz", 8)
    yield "a billion times", MP4, _with_table(plain, b"stts", 4)
    yield "two indexes", MP4, plain + plain[plain.index(b"moov") - 4 :]
    yield "a box of no length", MP4, plain[:32] + b"\0\0\0\1moov" + bytes(8) + plain[40:]
    yield "boxes without end", MP4, box(b"ftyp", b"isom", bytes(4)) + box(b"free") * 100_000
    yield (
        "playlist in an MP4",
        MP4,
        box(b"ftyp", b"isom", bytes(4)) + b"#EXTM3U\nfile:///etc/passwd",
    )
    yield "fonts attached", WEBM, webm + bytes.fromhex("1941a469") + b"\x84font"
    yield "a million elements", WEBM, webm + b"\xec\x80" * 1_000_000
    yield "HTML as a video", MP4, b"<!DOCTYPE html><script>alert(1)</script>" * 50
    for format_, type_ in _TYPES.items():
        frames = [quarters().effect_spread(number % 5) for number in range(4)]
        moving = animated(format_, frames)
        yield f"half of an animated {format_}", type_, moving[: len(moving) // 2]
        yield (
            f"an animated {format_} of 4112 x 2304",
            type_,
            animated(format_, [Image.new("L", (4112, 2304), colour) for colour in (0, 255)]),
        )
    yield "2000 frames", "image/gif", animated("GIF", [_dot(number) for number in range(2000)])
    yield "two minutes", "image/gif", animated("GIF", durations=30_000)


def cleaned() -> Iterator[File]:
    """The same of files that are accepted: with MARK, or a position, beside pixels and sound."""
    names = ("title", "comment", "location", "artist", "copyright", "description")
    secrets = dict.fromkeys(names, f"{MARK.decode()} +48.8584+002.2945/")
    yield "metadata in an MP4", MP4, video(metadata=secrets)
    yield "metadata in a MOV", "video/quicktime", video(container="mov", metadata=secrets)
    yield (
        "metadata in a WebM",
        WEBM,
        video(codec="libvpx", container="webm", sound="libopus", metadata=secrets),
    )
    plain = video()
    secret = box(b"udta", box(b"\xa9xyz", b"\0\x12\x15\xc7+48.8584+002.2945/" + MARK))
    yield "a position of a phone", MP4, _with_more(plain, secret)
    yield "behind the end", MP4, plain + box(b"free", MARK + b"<script>")
    yield "no box behind the end", MP4, plain + MARK + b"<script>alert(1)</script>"
    yield "mirrored, with a text", MP4, turned(_with_more(plain, secret), -1, 0, 0, 1)
    yield "captions", MP4, with_captions(plain, MARK)
    gif = animated("GIF")
    comment = b"\x21\xfe" + bytes([len(MARK)]) + MARK + b"\0"
    yield "a comment in a GIF", "image/gif", gif[:-1] + comment + b";"
    yield "behind the end of an animated PNG", "image/png", animated("PNG") + MARK


def _cut(content: bytes, percent: int) -> bytes:
    """The beginning of a WebM: with nine parts of ten, it would be accepted."""
    return content[: len(content) * min(percent, 60) // 100]


def _dot(number: int) -> Image.Image:
    image = Image.new("P", (50, 40), 0)
    image.putpixel((number % 50, number // 50), 1)
    return image


def _replaced(content: bytes, name: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """An MP4 in which the content of the last box of this name is another one."""
    at = content.rindex(name) - 4
    length = int.from_bytes(content[at : at + 4], "big")
    changed = change(content[at + 8 : at + length])
    moved = len(changed) - (length - 8)
    whole = bytearray(content[:at] + box(name, changed) + content[at + length :])
    # The boxes around it grow.
    for outer in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"stbl"):
        start = content.rfind(outer, 0, at) - 4
        if start < 0:
            continue
        size = int.from_bytes(content[start : start + 4], "big")
        if start + size >= at + length:
            whole[start : start + 4] = struct.pack(">I", size + moved)
    return bytes(whole)


def _with_more(content: bytes, more: bytes) -> bytes:
    """An MP4 with further boxes at the end of its index, which is the last of its own."""
    return _replaced(content, b"moov", lambda index: index + more)


def _with_reference(content: bytes, kind: bytes, target: bytes) -> bytes:
    references = bytes(4) + struct.pack(">I", 1) + full_box(kind, target)
    return _replaced(content, b"dref", lambda _: references)


def _with_table(content: bytes, name: bytes, at: int) -> bytes:
    number = struct.pack(">I", _HUGE)
    return _replaced(content, name, lambda table: bytes(at) + number + table[at + 4 :])


def _track(edits: int = 1) -> bytes:
    return box(
        b"trak",
        box(b"edts", full_box(b"elst", struct.pack(">I", edits), bytes(12 * edits))),
        box(b"mdia"),
    )
