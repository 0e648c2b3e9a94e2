"""What Media takes and answers."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from core.http.fields import IdField, TextField
from core.text import refuse_deceptive_text
from media.models import ALT_MAX_LENGTH

_BASE = "https://media.example.org/public/media/q0Rk3lTnT7mXv2pQe9sYzg"
MEDIA_EXAMPLE = {
    "id": "765432109876543210",
    "type": "image",
    "url": f"{_BASE}/full.jpg",
    "width": 1080,
    "height": 1350,
    "original_width": 3024,
    "original_height": 3780,
    "blurhash": "LEHV6nWB2yk8pyo0adR*.7kCMdnj",
    "alt": "A beach at low tide",
    "variants": {
        "thumb": f"{_BASE}/thumb.jpg",
        "small": f"{_BASE}/small.jpg",
        "medium": f"{_BASE}/medium.jpg",
    },
    "webp": {
        "thumb": f"{_BASE}/thumb.webp",
        "srcset": (f"{_BASE}/small.webp 320w, {_BASE}/medium.webp 640w, {_BASE}/full.webp 1080w"),
    },
}


_ORIGINAL = "Of the upload, upright, in pixels. Left out if it was not recorded: in old uploads."


def _intact(text: str) -> None:
    """Refuse text that was not valid UTF-8: the decoder has put U+FFFD into it."""
    if "\ufffd" in text:
        raise serializers.ValidationError("This is not valid text. Send it as UTF-8.", "encoding")


class _AltField(TextField):
    """What the picture shows, for people who cannot see it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            allow_blank=True,
            max_length=ALT_MAX_LENGTH,
            validators=[_intact, refuse_deceptive_text],
            help_text="What the picture shows, for people who cannot see it.",
            **options,
        )


class Upload(serializers.Serializer[Any]):
    """An image to upload, as multipart/form-data."""

    # No ImageField: it would decode the image a second time.
    file = serializers.FileField(
        allow_empty_file=True,
        help_text=(
            "A JPEG, PNG, WebP, HEIC, AVIF or GIF image, not animated. Of a JPEG, PNG or WebP that "
            "is cut off, 90 % of the picture must be there."
        ),
    )
    alt = _AltField(required=False, default="")


@extend_schema_serializer(
    examples=[OpenApiExample("A description", {"alt": "A beach at low tide"}, request_only=True)]
)
class MediaChanges(serializers.Serializer[Any]):
    """What may be changed of an upload."""

    alt = _AltField()


class MediaVariants(serializers.Serializer[Any]):
    """Addresses of the smaller variants, in JPEG as at `url`."""

    thumb = serializers.URLField(help_text="The square from the middle, of 320 pixels at most.")
    small = serializers.URLField(help_text="320 pixels wide at most.")
    medium = serializers.URLField(
        required=False,
        help_text="640 pixels wide at most. Of old uploads, the full one, or left out.",
    )


class MediaWebp(serializers.Serializer[Any]):
    """The same variants in WebP: a quarter smaller."""

    thumb = serializers.URLField()
    srcset = serializers.CharField(
        help_text=(
            "The small, the medium and the full variant, with their widths, for the attribute "
            '`srcset` of `<source type="image/webp">` or of `<img>`.'
        )
    )


@extend_schema_serializer(examples=[OpenApiExample("An image", MEDIA_EXAMPLE, response_only=True)])
class MediaDocument(serializers.Serializer[Any]):
    """An image that is ready to be shown."""

    id = IdField()
    type = serializers.ChoiceField(choices=["image"])
    url = serializers.URLField(
        help_text=(
            "1080 pixels wide at most; a wide picture is wider, so that it is 566 pixels high. No "
            "side is over 4096 pixels, and nothing is enlarged."
        )
    )
    width = serializers.IntegerField(help_text="Of the picture at `url`, in pixels.")
    height = serializers.IntegerField(help_text="Of the picture at `url`, in pixels.")
    original_width = serializers.IntegerField(required=False, help_text=_ORIGINAL)
    original_height = serializers.IntegerField(required=False, help_text=_ORIGINAL)
    blurhash = serializers.CharField(help_text="A placeholder; see blurha.sh.")
    alt = serializers.CharField()
    variants = MediaVariants()
    webp = MediaWebp(required=False, help_text="Left out of uploads from before there was WebP.")
