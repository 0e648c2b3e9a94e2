"""What User Graph answers."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from core.http.schema import page_of
from users.serializers import USER_EXAMPLE, UserDocument

_LISTED = USER_EXAMPLE | {"viewer": {"following": True}}


class ListedViewer(serializers.Serializer[Any]):
    following = serializers.BooleanField(help_text="The caller follows this user.")


@extend_schema_serializer(examples=[OpenApiExample("A user in a list", _LISTED)])
class ListedUser(UserDocument):
    """A person in a list, with what a follow button needs."""

    viewer = ListedViewer()


PeoplePage = page_of(ListedUser, _LISTED)


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
    counts = FollowCounts()
