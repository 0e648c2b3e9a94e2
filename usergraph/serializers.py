"""What User Graph answers."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers


class FollowCounts(serializers.Serializer[Any]):
    followers = serializers.IntegerField()
    following = serializers.IntegerField()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Followed", {"following": True, "counts": {"followers": 1046, "following": 87}}
        )
    ]
)
class FollowState(serializers.Serializer[Any]):
    """Whether the caller follows the user now, and the user's counts."""

    following = serializers.BooleanField()
    counts = FollowCounts(
        allow_null=True,
        help_text="Null if the caller may not see the user any more.",
    )
