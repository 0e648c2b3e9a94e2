"""What User Info takes and answers."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from core.http.fields import IdField, TextField
from core.http.pagination import PageQuery
from core.http.schema import page_of
from core.text import refuse_deceptive_name, refuse_deceptive_text
from users.authentication import confirm_owner
from users.models import User

USER_EXAMPLE = {
    "id": "765432109876543210",
    "username": "ada",
    "display_name": "Ada Lovelace",
    "avatar_url": None,
    "is_private": False,
}


@extend_schema_serializer(examples=[OpenApiExample("A user", USER_EXAMPLE)])
class UserDocument(serializers.Serializer[Any]):
    """A person, as every answer shows one."""

    id = IdField()
    username = serializers.CharField()
    display_name = serializers.CharField()
    avatar_url = serializers.URLField(allow_null=True)
    is_private = serializers.BooleanField(
        help_text="Only accepted followers see this user's posts and lists."
    )


_VIEWER = {
    "following": True,
    "followed_by": False,
    "requested": False,
    "muting": False,
    "close_friend": False,
    "restricting": False,
}
LISTED_EXAMPLE = USER_EXAMPLE | {"viewer": _VIEWER}


class Viewer(serializers.Serializer[Any]):
    """How the caller and a user stand to each other."""

    following = serializers.BooleanField(help_text="The caller follows this user.")
    followed_by = serializers.BooleanField(help_text="This user follows the caller.")
    requested = serializers.BooleanField(
        help_text="The caller has asked to follow this user, and has no answer yet."
    )
    muting = serializers.BooleanField(help_text="The caller mutes this user.")
    close_friend = serializers.BooleanField(
        help_text="This user sees the caller's posts for close friends."
    )
    restricting = serializers.BooleanField(
        help_text="This user's new comments on the caller's posts wait for approval."
    )


@extend_schema_serializer(examples=[OpenApiExample("A user in a list", LISTED_EXAMPLE)])
class ListedUser(UserDocument):
    """A person in a list, with what a follow button needs."""

    viewer = Viewer()


UserPage = page_of(ListedUser, LISTED_EXAMPLE)


class ProfileCounts(serializers.Serializer[Any]):
    posts = serializers.IntegerField(help_text="Without those for close friends.")
    followers = serializers.IntegerField()
    following = serializers.IntegerField()


KNOWN_EXAMPLE = {"count": 12, "users": [USER_EXAMPLE | {"username": "grace"}]}


class KnownFollowers(serializers.Serializer[Any]):
    """Those who follow the user, and whom the caller follows."""

    count = serializers.IntegerField(help_text="Of a suggestion, at least so many.")
    users = UserDocument(many=True, help_text="The latest, three at most.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A profile",
            USER_EXAMPLE
            | {
                "bio": "First programmer.",
                "counts": {"posts": 12, "followers": 1045, "following": 87},
                "viewer": _VIEWER,
                "known_followers": KNOWN_EXAMPLE,
            },
            response_only=True,
        )
    ]
)
class ProfileDocument(UserDocument):
    """A person's own page."""

    bio = serializers.CharField()
    counts = ProfileCounts()
    viewer = Viewer()
    known_followers = KnownFollowers()


@extend_schema_serializer(
    examples=[OpenApiExample("A new name", {"display_name": "Ada L.", "bio": "Poet of numbers."})]
)
class ProfileChanges(serializers.Serializer[Any]):
    """The fields of one's own profile that can be changed; a field that is left out stays."""

    username = TextField(required=False, validators=[*User._meta.get_field("username").validators])
    display_name = TextField(
        required=False, allow_blank=True, max_length=60, validators=[refuse_deceptive_name]
    )
    bio = TextField(
        required=False, allow_blank=True, max_length=500, validators=[refuse_deceptive_text]
    )
    is_private = serializers.BooleanField(
        required=False,
        help_text="Whether only accepted followers see the caller's posts and lists. Followers "
        "stay. When it ends, all requests to follow are accepted.",
    )
    avatar = IdField(
        required=False,
        allow_null=True,
        help_text="Id of an image that the caller has uploaded; null removes the avatar.",
    )

    def validate_username(self, username: str) -> str:
        return username.lower()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        unknown = sorted(set(self.initial_data) - set(self.fields))
        if unknown:
            raise serializers.ValidationError(
                f"Unknown field {', '.join(unknown)}. These can be changed: "
                f"{', '.join(self.fields)}."
            )
        if not attrs:
            raise serializers.ValidationError(f"Give at least one of: {', '.join(self.fields)}.")
        return attrs


@extend_schema_serializer(
    examples=[OpenApiExample("The password", {"password": "correct horse battery staple"})]
)
class AccountToDelete(serializers.Serializer[Any]):
    """The request to delete one's own account."""

    # `context`: the `user_id` and the `request`.
    password = TextField(
        max_length=1000, trim_whitespace=False, help_text="The password of the account."
    )

    code = TextField(
        max_length=100,
        required=False,
        help_text="If the account has a second factor: a code of the authenticator app, or a "
        "recovery code.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        confirm_owner(request=self.context["request"], user_id=self.context["user_id"], **attrs)
        return attrs


SESSION_EXAMPLE = {
    "id": "5f0c9a1e2b3d4c5e6f708192",
    "device": "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X)",
    "address": "203.0.113.7",
    "created_at": "2026-11-02T08:15:30Z",
    "last_used_at": "2026-11-20T17:42:11Z",
    "is_current": True,
}


@extend_schema_serializer(examples=[OpenApiExample("A session", SESSION_EXAMPLE)])
class SessionDocument(serializers.Serializer[Any]):
    """A log-in of the caller that is still valid."""

    id = serializers.CharField()
    device = serializers.CharField(help_text="The User-Agent that has logged in; empty if unknown.")
    address = serializers.CharField(
        help_text="The address that it has logged in from: an IPv4 address, or the /64 of an IPv6."
    )
    created_at = serializers.DateTimeField(help_text="When it has logged in.")
    last_used_at = serializers.DateTimeField(
        help_text="When it last got a token; it may have been used until that token's end."
    )
    is_current = serializers.BooleanField(help_text="This request belongs to it.")


SessionPage = page_of(SessionDocument, SESSION_EXAMPLE)


class UserSearch(PageQuery):
    """The query of a search."""

    search = serializers.CharField(
        max_length=60, help_text="Beginnings of a name, in any case, with or without accents."
    )
