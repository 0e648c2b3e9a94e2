"""What Post Info takes and answers."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from core.http.fields import FlagField, IdField, TextField
from core.http.pagination import PageQuery
from core.http.schema import page_of
from core.text import refuse_deceptive_text
from media.serializers import (
    MEDIA_EXAMPLE,
    READY_EXAMPLE,
    UNFINISHED_EXAMPLE,
    MediaDocument,
    OwnMediaList,
)
from posts.models import CAPTION_MAX_LENGTH, MEDIA_MAX_COUNT, Audience, CommentsFrom
from users.serializers import USER_EXAMPLE, UserDocument

COMMENTS_FROM = CommentsFrom.values
_FRAME = "All are shown in a frame of the shape of the first one."


class _CaptionField(TextField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            allow_blank=True,
            max_length=CAPTION_MAX_LENGTH,
            validators=[refuse_deceptive_text],
            **kwargs,
        )


class _MediaIdsField(serializers.ListField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=IdField(), min_length=1, max_length=MEDIA_MAX_COUNT, **kwargs)


class _AudienceField(serializers.ChoiceField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=Audience.values, **kwargs)


class _CommentsFromField(serializers.ChoiceField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=COMMENTS_FROM, **kwargs)


class _Changes(serializers.Serializer[Any]):
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError(f"Give at least one of: {', '.join(self.fields)}.")
        return attrs


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A post to publish", {"caption": "Low tide.", "media": ["765432109876543210"]}
        ),
        OpenApiExample(
            "For close friends",
            {"media": ["765432109876543210"], "audience": "close_friends"},
        ),
    ]
)
class NewPost(serializers.Serializer[Any]):
    """A post to publish."""

    caption = _CaptionField(required=False, default="")
    audience = _AudienceField(
        default=Audience.EVERYONE,
        help_text="Who sees the post, of those who may see the caller's posts: everyone, or the "
        "caller's close friends. It cannot be changed once the post is published.",
    )
    media = _MediaIdsField(
        help_text="Ids of media that the caller has uploaded, or is uploading, and has not used "
        f"yet, in order. {_FRAME}"
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample("A new caption", {"caption": "High tide."}),
        OpenApiExample("No more comments", {"comments_closed": True}),
        OpenApiExample("Comments from followers", {"comments_from": "followers"}),
    ]
)
class PostChanges(_Changes):
    """The fields of a post that can be changed; a field that is left out stays as it is."""

    caption = _CaptionField(required=False)
    comments_closed = FlagField(
        required=False, help_text="True: nobody can add comments. Existing comments stay."
    )
    comments_from = _CommentsFromField(
        required=False,
        help_text="Who may comment, of those who may see the post: everyone, those whom the caller "
        "follows, the caller's followers, nobody else, or as the caller's account says "
        "(`/users/me/commenting`).",
    )


COMMENT_EXAMPLE = {
    "id": "765432109876544321",
    "author": USER_EXAMPLE,
    "text": "Lovely.",
    "created_at": "2026-11-22T16:40:11.120034Z",
    "edited_at": None,
    "reply_to": None,
}
POST_EXAMPLE = {
    "id": "765432109876543999",
    "author": USER_EXAMPLE,
    "caption": "Low tide.",
    "audience": "everyone",
    "created_at": "2026-11-22T16:35:59.877409Z",
    "edited_at": None,
    "comments_closed": False,
    "comments_from": "account",
    "media": [MEDIA_EXAMPLE],
    "counts": {"likes": 3, "comments": 1},
    "viewer": {"liked": False},
    "recent_likes": [USER_EXAMPLE],
    "recent_comments": [COMMENT_EXAMPLE],
}


WAITING_POST_EXAMPLE = {
    "id": "765432109876543888",
    "state": "waiting",
    "caption": "Low tide.",
    "audience": "everyone",
    "created_at": "2026-11-22T16:35:12.120034Z",
    "media": [READY_EXAMPLE, UNFINISHED_EXAMPLE],
    "post_id": None,
}


@extend_schema_serializer(
    examples=[OpenApiExample("A waiting post", WAITING_POST_EXAMPLE, status_codes=["200", "202"])]
)
class WaitingPostDocument(serializers.Serializer[Any]):
    """A post of the caller's that is published when all of its media are ready."""

    id = IdField(help_text="Of the waiting post. The published post has another id.")
    state = serializers.ChoiceField(
        choices=["waiting", "failed", "published"],
        help_text="`failed`: some media cannot be processed. Replace them, or delete the post.",
    )
    caption = serializers.CharField()
    audience = _AudienceField()
    created_at = serializers.DateTimeField()
    media = OwnMediaList(
        help_text="In order, each with its own `state`. Empty once it is published."
    )
    post_id = IdField(allow_null=True, help_text="Once it is published: the post.")


WaitingPostPage = page_of(WaitingPostDocument, WAITING_POST_EXAMPLE)


@extend_schema_serializer(
    examples=[
        OpenApiExample("A new caption", {"caption": "High tide."}),
        OpenApiExample("Other media", {"media": ["765432109876543210"]}),
    ]
)
class WaitingPostChanges(_Changes):
    """The fields of a waiting post that can be changed; one that is left out stays as it is."""

    caption = _CaptionField(required=False)
    audience = _AudienceField(required=False)
    media = _MediaIdsField(
        required=False,
        source="media_ids",
        help_text="All media of the post, in order. Those that it has had, and that are left out, "
        "are unused then.",
    )


class RecentComment(serializers.Serializer[Any]):
    """A comment, as its post shows it."""

    id = IdField()
    author = UserDocument()
    text = serializers.CharField()
    created_at = serializers.DateTimeField()
    edited_at = serializers.DateTimeField(allow_null=True)
    reply_to = IdField(allow_null=True, help_text="Id of the comment that this one replies to.")


class PostCounts(serializers.Serializer[Any]):
    likes = serializers.IntegerField()
    comments = serializers.IntegerField(help_text="Replies are comments too.")


@extend_schema_serializer(
    examples=[OpenApiExample("Liked", {"liked": True, "counts": {"likes": 3, "comments": 1}})]
)
class LikeState(serializers.Serializer[Any]):
    """Whether the caller likes the post now, and the post's counts."""

    liked = serializers.BooleanField()
    counts = PostCounts()


class PostViewer(serializers.Serializer[Any]):
    liked = serializers.BooleanField(help_text="The caller likes this post.")


@extend_schema_serializer(examples=[OpenApiExample("A post", POST_EXAMPLE)])
class PostDocument(serializers.Serializer[Any]):
    """A post, as every answer shows one."""

    id = IdField()
    author = UserDocument()
    caption = serializers.CharField()
    audience = _AudienceField(help_text="`close_friends`: only its author's close friends see it.")
    created_at = serializers.DateTimeField()
    edited_at = serializers.DateTimeField(allow_null=True)
    comments_closed = serializers.BooleanField()
    comments_from = _CommentsFromField(
        help_text="Who may comment. `account`: as its author's account says. "
        "`/posts/{post_id}/commenting` tells whether the caller may."
    )
    media = MediaDocument(many=True, help_text=f"In order. {_FRAME}")
    counts = PostCounts()
    viewer = PostViewer()
    recent_likes = UserDocument(
        many=True,
        help_text="Of the latest 8, at most 3; people whom the caller follows come first. If the "
        "caller may see fewer than 3 of them, of the latest 64.",
    )
    recent_comments = RecentComment(many=True, help_text="The latest, at most 2, newest first.")


PostPage = page_of(PostDocument, POST_EXAMPLE)


class PostsQuery(PageQuery):
    """The query of a list of posts."""

    author = serializers.CharField(max_length=30, help_text="A username.")
