"""What the decoder makes of an upload. Both sides of the sandbox share it: no Pillow, no Django."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SIZES = ("full", "medium", "small", "thumb")
FORMATS = ("jpg", "webp")
MEDIUM_WIDTH, SMALL_WIDTH = 640, 320  # pixels
# The names of the objects of an upload.
VARIANTS = tuple(f"{size}.{format_}" for format_ in FORMATS for size in SIZES)
# A blurhash of four by three waves.
_BLURHASH_LENGTH = 28
# A JPEG; a WebP, whose length follows RIFF.
_STARTS = {"jpg": re.compile(rb"\xff\xd8\xff"), "webp": re.compile(rb"RIFF....WEBPVP8", re.DOTALL)}
_MAX_SIDE = 2**31 - 1  # of a column


@dataclass(frozen=True)
class ProcessedImage:
    """The bytes of each variant. In pixels: the width and height of `full`, and those of the
    upload, once it is upright.
    """

    variants: dict[str, bytes]
    width: int
    height: int
    original_width: int
    original_height: int
    blurhash: str

    def facts(self) -> dict[str, int | str]:
        """What `from_answer` needs besides the variants."""
        return {name: getattr(self, name) for name in (*_SIDES, "blurhash")}

    @classmethod
    def from_answer(cls, facts: Mapping[str, object], blobs: Sequence[bytes]) -> "ProcessedImage":
        """The image in an answer of a decoder, which is not trusted. Raises ValueError."""
        blurhash = facts.get("blurhash")
        sides = {name: side for name in _SIDES if isinstance(side := facts.get(name), int)}
        if len(sides) != len(_SIDES) or not isinstance(blurhash, str):
            raise ValueError("the facts are of other types")
        in_range = all(1 <= side <= _MAX_SIDE for side in sides.values())
        if not in_range or len(blurhash) != _BLURHASH_LENGTH:
            raise ValueError("the facts are out of range")
        if len(blobs) != len(VARIANTS):
            raise ValueError("the variants are too few or too many")
        variants = dict(zip(VARIANTS, blobs, strict=True))
        for name, content in variants.items():
            if not _STARTS[name.partition(".")[2]].match(content):
                raise ValueError("the variants are no JPEGs and WebPs")
        return cls(variants, blurhash=blurhash, **sides)


_SIDES = ("width", "height", "original_width", "original_height")
