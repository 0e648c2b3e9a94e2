"""What Commenting takes and answers."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from comments.models import TEXT_MAX_LENGTH
from core.http.fields import IdField, QueryFlagField, TextField
from core.http.pagination import PageQuery
from core.http.schema import page_of
from core.text import refuse_deceptive_text
from posts.serializers import COMMENT_EXAMPLE, RecentComment

_SHOWN = COMMENT_EXAMPLE | {"counts": {"likes": 2, "replies": 1}, "viewer": {"liked": True}}
OLDEST, NEWEST = "oldest", "newest"


@extend_schema_serializer(examples=[OpenApiExample("Another text", {"text": "Lovely!"})])
class CommentText(serializers.Serializer[Any]):
    """The text of a comment."""

    text = TextField(
        max_length=TEXT_MAX_LENGTH,
        validators=[refuse_deceptive_text],
        help_text=f"1 to {TEXT_MAX_LENGTH} characters; blanks around it are removed.",
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample("A comment", {"text": "Lovely."}),
        OpenApiExample("A reply", {"text": "So it is.", "reply_to": "765432109876544321"}),
    ]
)
class NewComment(CommentText):
    """A comment to add."""

    reply_to = IdField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Id of the comment to reply to; it must not be a reply itself.",
    )


class CommentCounts(serializers.Serializer[Any]):
    likes = serializers.IntegerField()
    replies = serializers.IntegerField(help_text="A reply itself has none.")


@extend_schema_serializer(
    examples=[OpenApiExample("Liked", {"liked": True, "counts": {"likes": 3, "replies": 1}})]
)
class CommentLikeState(serializers.Serializer[Any]):
    """Whether the caller likes the comment now, and the comment's counts."""

    liked = serializers.BooleanField()
    counts = CommentCounts()


class CommentViewer(serializers.Serializer[Any]):
    liked = serializers.BooleanField(help_text="The caller likes this comment.")


@extend_schema_serializer(examples=[OpenApiExample("A comment", _SHOWN)])
class CommentDocument(RecentComment):
    """A comment."""

    counts = CommentCounts()
    viewer = CommentViewer()


CommentPage = page_of(CommentDocument, _SHOWN)


class CommentsQuery(PageQuery):
    """The query of a list of comments."""

    order = serializers.ChoiceField(
        choices=[OLDEST, NEWEST], default=OLDEST, help_text="Which comments come first."
    )
    reply_to = IdField(required=False, help_text="Only the replies to the comment of this id.")
    top_level = QueryFlagField(
        default=False,
        help_text="True: only comments that are no replies. Not together with `reply_to`.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["top_level"] and "reply_to" in attrs:
            raise serializers.ValidationError(
                {"top_level": "This leaves replies out, and `reply_to` asks for them. Give one."}
            )
        return attrs
