"""Opens WebPs whose end is missing. libwebp decodes nothing of a file that is shorter than its own
header says.
"""

import struct

from media.structure.limits import check_share
from media.structure.webp import PIXELS, all_chunks, claimed_bytes

# What the decoder reads ahead.
_MARGIN = bytes(64)


def complete_webp(content: bytes) -> bytes:
    """The file, or, if its end is missing, one with zeros in the place of the missing pixels, and
    without the metadata that is cut off. Raises `NotAnImageError` if too few pixels are there.
    """
    if len(content) >= claimed_bytes(content):
        return content
    parts = [b"WEBP"]
    there = claimed = 0
    for name, start, length in all_chunks(content):
        part = content[start : start + length]
        if name in PIXELS or name == b"ALPH":
            there += len(part)
            claimed += length
        if len(part) < length:
            if name not in PIXELS:
                continue
            part = part.ljust(length, b"\0") + _MARGIN
        parts += [name, struct.pack("<I", len(part)), part, b"\0" * (len(part) % 2)]
    check_share(there / max(1, claimed))
    body = b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body
