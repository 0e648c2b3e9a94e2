"""What Post Info takes and answers."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from media.serializers import MEDIA_EXAMPLE, MediaDocument
from posts.models import CAPTION_MAX_LENGTH, MEDIA_MAX_COUNT
from socialfeed.common.ids import MAX_ID
from socialfeed.common.schema import page_of
from users.serializers import USER_EXAMPLE, UserDocument


class Caption(serializers.Serializer[Any]):
    """The text of a post."""

    caption = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=CAPTION_MAX_LENGTH
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A post to publish", {"caption": "Low tide.", "media": ["765432109876543210"]}
        )
    ]
)
class NewPost(Caption):
    """A post to publish."""

    media = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=MAX_ID),
        min_length=1,
        max_length=MEDIA_MAX_COUNT,
        help_text="Ids of media that the caller has uploaded and not used yet, in order.",
    )


@extend_schema_serializer(examples=[OpenApiExample("A new caption", {"caption": "High tide."})])
class PostChanges(serializers.Serializer[Any]):
    """What an author may change of a post."""

    caption = serializers.CharField(allow_blank=True, max_length=CAPTION_MAX_LENGTH)


POST_EXAMPLE = {
    "id": "765432109876543999",
    "author": USER_EXAMPLE,
    "caption": "Low tide.",
    "created_at": "2026-11-22T16:35:59.877409Z",
    "edited_at": None,
    "media": [MEDIA_EXAMPLE],
}


@extend_schema_serializer(examples=[OpenApiExample("A post", POST_EXAMPLE)])
class PostDocument(serializers.Serializer[Any]):
    """A post, wherever it is shown."""

    id = serializers.CharField()
    author = UserDocument()
    caption = serializers.CharField()
    created_at = serializers.DateTimeField()
    edited_at = serializers.DateTimeField(allow_null=True)
    media = MediaDocument(many=True)


PostPage = page_of(PostDocument, POST_EXAMPLE)


class PostsQuery(serializers.Serializer[Any]):
    """The query of a list of posts."""

    author = serializers.CharField(max_length=30, help_text="A username.")
