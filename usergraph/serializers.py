"""What User Graph takes and answers."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from core.http.pagination import DEFAULT_LIMIT, PageQuery
from core.http.schema import page_of
from usergraph.suggestions import MAX_SUGGESTIONS
from users.serializers import (
    KNOWN_EXAMPLE,
    LISTED_EXAMPLE,
    USER_EXAMPLE,
    KnownFollowers,
    ListedUser,
    UserDocument,
)


class FollowCounts(serializers.Serializer[Any]):
    followers = serializers.IntegerField()
    following = serializers.IntegerField()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Followed",
            {
                "following": True,
                "requested": False,
                "counts": {"followers": 1046, "following": 87},
            },
        )
    ]
)
class FollowState(serializers.Serializer[Any]):
    """Whether the caller follows the user now, or asks to, and the user's counts."""

    following = serializers.BooleanField()
    requested = serializers.BooleanField(
        help_text="The account is private, and has not accepted the caller yet."
    )
    counts = FollowCounts(
        allow_null=True,
        help_text="Null if the caller may not see the user any more.",
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Removed", {"followed_by": False, "counts": {"followers": 1044, "following": 87}}
        )
    ]
)
class FollowerState(serializers.Serializer[Any]):
    """Whether the user follows the caller now, and the caller's own counts."""

    followed_by = serializers.BooleanField()
    counts = FollowCounts()


@extend_schema_serializer(examples=[OpenApiExample("Blocked", {"blocking": True})])
class BlockState(serializers.Serializer[Any]):
    """Whether the caller blocks the user now."""

    blocking = serializers.BooleanField()


_MUTE = {"until": "2027-01-31T12:00:00Z"}


@extend_schema_serializer(examples=[OpenApiExample("Until a time", _MUTE)])
class MuteRequest(serializers.Serializer[Any]):
    """How long to mute a user."""

    until = serializers.DateTimeField(
        allow_null=True, help_text="A time in the future at which it ends; null: until you end it."
    )

    def validate_until(self, until: datetime | None) -> datetime | None:
        if until is not None and until <= timezone.now():
            raise serializers.ValidationError(
                "This time has passed. Name one in the future, or null to mute until you end it."
            )
        return until


@extend_schema_serializer(
    examples=[OpenApiExample("Muted", {"muting": True} | _MUTE, response_only=True)]
)
class MuteState(serializers.Serializer[Any]):
    """Whether the caller mutes the user now, and until when."""

    muting = serializers.BooleanField()
    until = serializers.DateTimeField(
        allow_null=True, help_text="Null if it does not end by itself, or there is none."
    )


@extend_schema_serializer(examples=[OpenApiExample("A close friend", {"close_friend": True})])
class CloseFriendState(serializers.Serializer[Any]):
    """Whether the user is one of the caller's close friends now."""

    close_friend = serializers.BooleanField()


@extend_schema_serializer(examples=[OpenApiExample("Restricted", {"restricting": True})])
class RestrictionState(serializers.Serializer[Any]):
    """Whether the caller restricts the user now."""

    restricting = serializers.BooleanField()


_SINCE = {"since": "2026-11-02T08:15:30Z"}


class AskingUser(serializers.Serializer[Any]):
    """A user who asks to follow the caller."""

    user = ListedUser()
    since = serializers.DateTimeField()


class BlockedUser(serializers.Serializer[Any]):
    """A user whom the caller blocks."""

    user = UserDocument()
    since = serializers.DateTimeField()


class MutedUser(serializers.Serializer[Any]):
    """A user whom the caller mutes."""

    user = ListedUser()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField(
        allow_null=True, help_text="Null if it does not end by itself."
    )


class CloseFriend(serializers.Serializer[Any]):
    """One of the caller's close friends."""

    user = ListedUser()
    since = serializers.DateTimeField()


class RestrictedUser(serializers.Serializer[Any]):
    """A user whom the caller restricts."""

    user = ListedUser()
    since = serializers.DateTimeField()


class SuggestionsQuery(PageQuery):
    """The query of the suggestions, which are one page."""

    limit = serializers.IntegerField(
        min_value=1,
        max_value=MAX_SUGGESTIONS,
        default=DEFAULT_LIMIT,
        help_text=f"How many suggestions, 1 to {MAX_SUGGESTIONS}.",
    )
    cursor = None  # type: ignore[assignment]  # so DRF takes it away


class Suggestion(serializers.Serializer[Any]):
    """An account that the caller might want to follow."""

    user = ListedUser()
    known_followers = KnownFollowers()


SuggestionPage = page_of(Suggestion, {"user": LISTED_EXAMPLE, "known_followers": KNOWN_EXAMPLE})
CloseFriendPage = page_of(CloseFriend, {"user": LISTED_EXAMPLE} | _SINCE)
RestrictedPage = page_of(RestrictedUser, {"user": LISTED_EXAMPLE} | _SINCE)
AskingPage = page_of(AskingUser, {"user": LISTED_EXAMPLE} | _SINCE)
BlockedPage = page_of(BlockedUser, {"user": USER_EXAMPLE} | _SINCE)
MutedPage = page_of(MutedUser, {"user": LISTED_EXAMPLE} | _SINCE | _MUTE)
