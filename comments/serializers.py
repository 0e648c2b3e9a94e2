"""What Commenting takes and answers."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from comments.models import TEXT_MAX_LENGTH, WORD_MAX_LENGTH
from comments.rules import MAX_WORDS
from core.http.fields import IdField, QueryFlagField, TextField
from core.http.pagination import PageQuery
from core.http.schema import page_of
from core.text import refuse_deceptive_text
from posts.selectors import CommentsFrom
from posts.serializers import COMMENT_EXAMPLE, RecentComment

_SHOWN = COMMENT_EXAMPLE | {
    "counts": {"likes": 2, "replies": 1},
    "viewer": {"liked": True, "may_approve": False},
}
OLDEST, NEWEST = "oldest", "newest"
COMMENTERS = [value for value in CommentsFrom.values if value != CommentsFrom.ACCOUNT]


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
    may_approve = serializers.BooleanField(
        help_text="It is held back on a post of the caller's, who alone may show it to everybody."
    )


@extend_schema_serializer(examples=[OpenApiExample("A comment", _SHOWN)])
class CommentDocument(RecentComment):
    """A comment."""

    counts = CommentCounts()
    viewer = CommentViewer()


CommentPage = page_of(CommentDocument, _SHOWN)


class HeldComment(serializers.Serializer[Any]):
    """A comment on a post of the caller's that waits for approval."""

    post_id = IdField()
    comment = CommentDocument()


HeldCommentPage = page_of(
    HeldComment,
    {
        "post_id": "765432109876543999",
        "comment": _SHOWN | {"viewer": {"liked": False, "may_approve": True}},
    },
)


@extend_schema_serializer(examples=[OpenApiExample("Never edited", {"edited_at": None})])
class Approval(serializers.Serializer[Any]):
    """Which text of a comment is approved."""

    edited_at = serializers.DateTimeField(
        allow_null=True, help_text="Of the comment, as the caller has seen it."
    )


class HeldCommentsQuery(PageQuery):
    """The query of the comments that are held back."""

    post = IdField(required=False, help_text="Only those on the post of this id.")


@extend_schema_serializer(
    examples=[OpenApiExample("Open", {"may_comment": True, "comments_from": "everyone"})]
)
class Commenting(serializers.Serializer[Any]):
    """Whether the caller may comment on a post, and who may, of those who see it."""

    may_comment = serializers.BooleanField()
    comments_from = serializers.ChoiceField(
        choices=COMMENTERS, help_text="`following`: whom the author follows. The author always may."
    )


class _WordsField(serializers.ListField):
    def to_internal_value(self, data: Any) -> list[str]:
        return list(dict.fromkeys(super().to_internal_value(data)))


_RULES = {"comments_from": "followers", "hidden_words": ["spoiler", "free followers"]}


@extend_schema_serializer(examples=[OpenApiExample("Rules", _RULES)])
class CommentRulesDocument(serializers.Serializer[Any]):
    """Who may comment on the caller's posts, and what is held back."""

    comments_from = serializers.ChoiceField(choices=COMMENTERS)
    hidden_words = serializers.ListField(child=serializers.CharField())


@extend_schema_serializer(examples=[OpenApiExample("Other rules", _RULES)])
class CommentRulesChanges(serializers.Serializer[Any]):
    """The rules to change; one that is left out stays as it is."""

    comments_from = serializers.ChoiceField(
        choices=COMMENTERS,
        required=False,
        help_text="Who may comment, of those who see a post: everyone, those whom the caller "
        "follows, the caller's followers, or nobody else. A post may say otherwise.",
    )
    hidden_words = _WordsField(
        child=TextField(max_length=WORD_MAX_LENGTH, validators=[refuse_deceptive_text]),
        max_length=MAX_WORDS,
        required=False,
        help_text="New comments with one of these words or phrases, in upper or lower case, wait "
        f"for the caller's approval. At most {MAX_WORDS}, which replace those of before.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError(f"Give at least one of: {', '.join(self.fields)}.")
        return attrs


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
