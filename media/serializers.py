"""What Media takes and answers."""

from functools import partial
from typing import Any

from drf_spectacular.utils import (
    OpenApiExample,
    PolymorphicProxySerializer,
    extend_schema_field,
    extend_schema_serializer,
)
from rest_framework import serializers

from core.http.fields import CountField, IdField, TextField
from core.text import refuse_deceptive_text
from media.models import ALT_MAX_LENGTH
from media.uploads import CONTENT_TYPES

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
VIDEO_EXAMPLE = {
    **MEDIA_EXAMPLE,
    "type": "video",
    "video": {
        "sources": [
            {"url": f"{_BASE}/full.mp4", "width": 1080, "height": 1350},
            {"url": f"{_BASE}/half.mp4", "width": 540, "height": 674},
        ],
        "duration_ms": 14820,
        "has_sound": True,
        "loops": False,
    },
}
READY_EXAMPLE = {**MEDIA_EXAMPLE, "state": "ready"}
UNFINISHED_EXAMPLE = {
    "id": "765432109876543210",
    "state": "processing",
    "content_type": "image/heic",
    "byte_size": 2614061,
    "alt": "A beach at low tide",
    "progress": 20,
    "error": None,
}
FAILED_EXAMPLE = {
    **UNFINISHED_EXAMPLE,
    "state": "failed",
    "error": {"code": "unsupported_media_type", "detail": "The image is damaged or incomplete."},
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


class VideoSource(serializers.Serializer[Any]):
    """A file of a video: an MP4 with H.264 and AAC, which starts before it has arrived."""

    url = serializers.URLField()
    width = serializers.IntegerField(help_text="In pixels.")
    height = serializers.IntegerField(help_text="In pixels.")


class VideoPart(serializers.Serializer[Any]):
    """What a video has besides its poster."""

    sources = VideoSource(
        many=True,
        help_text=(
            "The same video, the largest first: as wide as the poster, and 540 pixels wide. A "
            "small video has the first one only."
        ),
    )
    duration_ms = serializers.IntegerField(help_text="In milliseconds.")
    has_sound = serializers.BooleanField()
    loops = serializers.BooleanField(help_text="It was a picture that moves: play it again.")


@extend_schema_serializer(
    examples=[
        OpenApiExample("An image", MEDIA_EXAMPLE, response_only=True),
        OpenApiExample("A video", VIDEO_EXAMPLE, response_only=True),
    ]
)
class MediaDocument(serializers.Serializer[Any]):
    """An image or a video that is ready to be shown. All but `video` is of the video's poster."""

    id = IdField()
    type = serializers.ChoiceField(choices=["image", "video"])
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
    video = VideoPart(required=False, help_text="Left out of images.")
    expires_at = serializers.DateTimeField(
        required=False,
        help_text="When the addresses end, of a private account's media; read the post again for "
        "new ones. Left out of public media, whose addresses stay.",
    )


@extend_schema_serializer(examples=[OpenApiExample("Ready", READY_EXAMPLE, response_only=True)])
class ReadyMedia(MediaDocument):
    """A media of the caller's that is ready."""

    state = serializers.ChoiceField(choices=["ready"])


class UploadError(serializers.Serializer[Any]):
    """Why an upload has failed."""

    code = serializers.CharField()
    detail = serializers.CharField()


class UnfinishedMedia(serializers.Serializer[Any]):
    """A media of the caller's that is not ready. One that has failed does not become ready."""

    id = IdField()
    state = serializers.ChoiceField(choices=["pending", "processing", "failed"])
    content_type = serializers.CharField()
    byte_size = serializers.IntegerField()
    alt = serializers.CharField()
    progress = serializers.IntegerField(help_text="Of the processing, in percent.")
    error = UploadError(allow_null=True)


_own_media = partial(
    PolymorphicProxySerializer,
    component_name="OwnMedia",
    serializers=[ReadyMedia, UnfinishedMedia],
    resource_type_field_name=None,
)
OWN_MEDIA = _own_media()


@extend_schema_field(_own_media(many=True))
class OwnMediaList(serializers.ListField):
    """Several of the caller's media, ready or not."""


OWN_MEDIA_EXAMPLES = [
    OpenApiExample("Ready", READY_EXAMPLE, response_only=True),
    OpenApiExample("Being processed", UNFINISHED_EXAMPLE, response_only=True),
    OpenApiExample("Failed", FAILED_EXAMPLE, response_only=True),
    OpenApiExample("A description", {"alt": MEDIA_EXAMPLE["alt"]}, request_only=True),
]


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A photo", {"content_type": "image/heic", "byte_size": 2614061}, request_only=True
        )
    ]
)
class UploadAnnouncement(serializers.Serializer[Any]):
    """A file that is going to be sent."""

    content_type = TextField(max_length=100, help_text=f"One of {', '.join(CONTENT_TYPES)}.")
    byte_size = CountField(min_value=1, help_text="The exact length of the file.")
    alt = _AltField(required=False, default="")


class UploadForm(serializers.Serializer[Any]):
    """Where to POST the file as multipart/form-data: these fields first, then the field `file`."""

    url = serializers.URLField()
    # DRF takes it out of the class, so it does not hide `Serializer.fields`.
    fields = serializers.DictField(child=serializers.CharField())  # type: ignore[assignment]


class UploadPart(serializers.Serializer[Any]):
    """A part of the file: `byte_size` bytes from `offset` on. PUT them to `url`."""

    number = serializers.IntegerField()
    offset = serializers.IntegerField()
    byte_size = serializers.IntegerField()
    is_sent = serializers.BooleanField(help_text="Whether it has arrived.")
    url = serializers.URLField(allow_null=True)


_STORE = "https://s3.example.org/socialfeed"
_KEY = "incoming/media/q0Rk3lTnT7mXv2pQe9sYzg/file"
_SENDING = {"id": "765432109876543210", "state": "pending", "expires_at": "2026-03-01T12:10:00Z"}
_FORM = {
    "url": _STORE,
    "fields": {
        "Content-Type": "image/heic",
        "key": _KEY,
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": "AKIAEXAMPLE/20260301/us-east-1/s3/aws4_request",
        "x-amz-date": "20260301T120000Z",
        "policy": "eyJleHBpcmF0aW9uIjog...",
        "x-amz-signature": "0c4f1c3b31a3...",
    },
}
_PARTS = [
    {"number": 1, "offset": 0, "byte_size": 8388608, "is_sent": True, "url": None},
    {
        "number": 2,
        "offset": 8388608,
        "byte_size": 8388608,
        "is_sent": False,
        "url": f"{_STORE}/{_KEY}?uploadId=2VmVGv&partNumber=2&X-Amz-Signature=6d31",
    },
]


@extend_schema_serializer(
    examples=[
        OpenApiExample("A form", {**_SENDING, "form": _FORM, "parts": None}, response_only=True),
        OpenApiExample(
            "Parts, of which the first has arrived",
            {**_SENDING, "form": None, "parts": _PARTS},
            response_only=True,
        ),
    ]
)
class SendingRequests(serializers.Serializer[Any]):
    """How to send a file to the object store: by a form, or in parts."""

    id = IdField()
    state = serializers.ChoiceField(choices=["pending"])
    expires_at = serializers.DateTimeField(help_text="Then the addresses are not valid any more.")
    form = UploadForm(allow_null=True)
    parts = UploadPart(many=True, allow_null=True)


class UsedBytes(serializers.Serializer[Any]):
    """Bytes that were sent or announced, and how many may be; null: no limit."""

    used = serializers.IntegerField()
    limit = serializers.IntegerField(allow_null=True)


class UsedCpuSeconds(serializers.Serializer[Any]):
    """Seconds of CPU time that processing took, and how many it may take; null: no limit."""

    used = serializers.FloatField()
    limit = serializers.IntegerField(allow_null=True)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A photo was uploaded",
            {
                "bytes": {"used": 2614061, "limit": 2147483648},
                "cpu_seconds": {"used": 0.412, "limit": 600},
                "resets_at": "2026-03-02T00:00:00Z",
            },
            response_only=True,
        )
    ]
)
class UsageDocument(serializers.Serializer[Any]):
    """What an account's uploads have used of the quotas of this day (UTC)."""

    bytes = UsedBytes()
    cpu_seconds = UsedCpuSeconds()
    resets_at = serializers.DateTimeField()
