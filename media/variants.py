"""What the decoder makes of an upload. Both sides of the sandbox share it: no Pillow, no Django."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

VARIANTS = ("full", "small", "thumb")
# A blurhash of four by three waves.
_BLURHASH_LENGTH = 28
_START_OF_JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True)
class ProcessedImage:
    """JPEG bytes by variant; the width and height, in pixels, are those of `full`."""

    variants: dict[str, bytes]
    width: int
    height: int
    blurhash: str

    def facts(self) -> dict[str, int | str]:
        """What `from_answer` needs besides the variants."""
        return {"width": self.width, "height": self.height, "blurhash": self.blurhash}

    @classmethod
    def from_answer(cls, facts: Mapping[str, object], blobs: Sequence[bytes]) -> "ProcessedImage":
        """The image in an answer of a decoder, which is not trusted. Raises ValueError."""
        width, height, blurhash = (facts.get(name) for name in ("width", "height", "blurhash"))
        if not (isinstance(width, int) and isinstance(height, int) and isinstance(blurhash, str)):
            raise ValueError("the facts are of other types")
        if width < 1 or height < 1 or len(blurhash) != _BLURHASH_LENGTH:
            raise ValueError("the facts are out of range")
        if len(blobs) != len(VARIANTS) or not all(b.startswith(_START_OF_JPEG) for b in blobs):
            raise ValueError("the variants are no JPEGs")
        return cls(dict(zip(VARIANTS, blobs, strict=True)), width, height, blurhash)
