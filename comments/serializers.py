"""What Commenting takes and answers."""

import re
import unicodedata
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from comments.models import TEXT_MAX_LENGTH
from core.http.pagination import PageQuery
from core.http.schema import page_of
from core.ids import MAX_ID
from posts.serializers import COMMENT_EXAMPLE, RecentComment

_SHOWN = COMMENT_EXAMPLE | {"counts": {"likes": 2}, "viewer": {"liked": True}}
OLDEST, NEWEST = "oldest", "newest"


# Blanks, controls and formats. Not unassigned characters: these may be new emoji.
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
# Invisible characters of other categories: fillers, joiners, variation selectors, the empty Braille
# cell.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\ufff0-\ufff8\U000e0000-\U000e0fff]"
)


def _visible(text: str) -> None:
    """Refuse text in which no character is visible."""
    if all(
        unicodedata.category(character) in _INVISIBLE_CATEGORIES
        for character in _INVISIBLE.sub("", text)
    ):
        raise serializers.ValidationError("This text has no visible character.", "blank")


@extend_schema_serializer(examples=[OpenApiExample("Another text", {"text": "Lovely!"})])
class CommentText(serializers.Serializer[Any]):
    """The text of a comment."""

    text = serializers.CharField(
        max_length=TEXT_MAX_LENGTH,
        validators=[_visible],
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

    reply_to = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=1,
        max_value=MAX_ID,
        help_text="Id of the comment to reply to; it must not be a reply itself.",
    )


class CommentCounts(serializers.Serializer[Any]):
    likes = serializers.IntegerField()


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
    reply_to = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_ID,
        help_text="Only the replies to the comment of this id.",
    )
