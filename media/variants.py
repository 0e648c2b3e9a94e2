"""What the decoder makes of an upload. Both sides of the sandbox share it: no Pillow, no Django."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

SIZES = ("full", "medium", "small", "thumb")
FORMATS = ("jpg", "webp")
MEDIUM_WIDTH, SMALL_WIDTH = 640, 320  # pixels
# The names of the objects of an upload.
VARIANTS = tuple(f"{size}.{format_}" for format_ in FORMATS for size in SIZES)
# A blurhash of four by three waves.
_BLURHASH_LENGTH = 28
# A JPEG; a WebP, whose length follows RIFF.
_STARTS = {"jpg": re.compile(rb"\xff\xd8\xff"), "webp": re.compile(rb"RIFF....WEBPVP8", re.DOTALL)}
_SIDES = ("width", "height", "original_width", "original_height")
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

    def files(self) -> dict[str, bytes]:
        """All objects, by name."""
        return self.variants

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
        if not all(map(_is_side, sides.values())) or len(blurhash) != _BLURHASH_LENGTH:
            raise ValueError("the facts are out of range")
        if len(blobs) != len(VARIANTS):
            raise ValueError("the variants are too few or too many")
        variants = dict(zip(VARIANTS, blobs, strict=True))
        for name, content in variants.items():
            if not _STARTS[name.partition(".")[2]].match(content):
                raise ValueError("the variants are no JPEGs and WebPs")
        return cls(variants, blurhash=blurhash, **sides)


def _is_side(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and 1 <= value <= _MAX_SIDE


# The names of the MP4s of a video. A small one has no second.
VIDEOS = ("full.mp4", "half.mp4")
# Of all objects that an upload may have.
OBJECTS = (*VARIANTS, *VIDEOS)
_MP4_START = re.compile(rb"....ftyp", re.DOTALL)


@dataclass(frozen=True)
class ProcessedVideo:
    """The poster of a video, its MP4s by name, and their sizes in pixels; the largest first.

    `loops`: the upload was a picture that moves, without sound.
    """

    poster: ProcessedImage
    videos: dict[str, bytes]
    sizes: list[tuple[int, int]]
    duration_ms: int
    has_sound: bool
    loops: bool

    def files(self) -> dict[str, bytes]:
        """All objects, by name; the MP4s last."""
        return {**self.poster.variants, **self.videos}

    def facts(self) -> dict[str, object]:
        """What `from_answer` needs besides the poster's variants and the MP4s."""
        return {**self.poster.facts(), **self._facts_of_video(), "sizes": self.sizes}

    def description(self) -> dict[str, Any]:
        """What a row keeps of the video, besides its poster, as JSON."""
        sources = [
            {"name": name, "width": width, "height": height}
            for name, (width, height) in zip(self.videos, self.sizes, strict=True)
        ]
        return {"sources": sources, **self._facts_of_video()}

    def _facts_of_video(self) -> dict[str, int]:
        return {"duration_ms": self.duration_ms, "has_sound": self.has_sound, "loops": self.loops}

    def blobs(self) -> list[bytes]:
        """The poster's variants and the MP4s, as `from_answer` takes them."""
        return list(self.files().values())

    @classmethod
    def from_answer(cls, facts: Mapping[str, object], blobs: Sequence[bytes]) -> "ProcessedVideo":
        """The video in an answer of a decoder, which is not trusted. Raises ValueError."""
        poster = ProcessedImage.from_answer(facts, blobs[: len(VARIANTS)])
        files = blobs[len(VARIANTS) :]
        duration, has_sound, loops = (
            facts.get(name) for name in ("duration_ms", "has_sound", "loops")
        )
        sizes = facts.get("sizes")
        if not _is_side(duration):
            raise ValueError("the duration is out of range")
        if not isinstance(has_sound, bool) or not isinstance(loops, bool):
            raise ValueError("the facts are of other types")
        if not isinstance(sizes, list) or not 1 <= len(sizes) == len(files) <= len(VIDEOS):
            raise ValueError("the videos are too few or too many")
        for size in sizes:
            if not isinstance(size, list) or len(size) != 2 or not all(map(_is_side, size)):
                raise ValueError("the sizes are out of range")
        if not all(map(_MP4_START.match, files)):
            raise ValueError("the videos are no MP4s")
        return cls(
            poster=poster,
            videos=dict(zip(VIDEOS, files, strict=False)),
            sizes=[(width, height) for width, height in sizes],
            duration_ms=duration,
            has_sound=has_sound,
            loops=loops,
        )


Processed = ProcessedImage | ProcessedVideo
