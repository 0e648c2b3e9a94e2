"""Compares the counts of comments, their likes and replies with the rows; for the reconciler."""

from collections.abc import Collection, Iterator

from comments.models import Comment, CommentLike
from core.counters import CountAudit, ShownAudit
from core.ids import id_batches

COMMENTS = CountAudit(Comment, "post_id", if_column="is_shown")
LIKES = CountAudit(CommentLike, "subject_id", if_column="is_shown")
REPLIES = CountAudit(Comment, "reply_to_id", is_negative=True, if_column="is_shown")
SHOWN = [
    ShownAudit(Comment, "author_id", "is_shown", unless="held_for IS NOT NULL"),
    ShownAudit(CommentLike, "user_id", "is_shown"),
]


def all_ids(*, size: int) -> Iterator[list[int]]:
    """The ids of all comments, oldest first, `size` at a time; a query each."""
    return id_batches(Comment, size=size)


def authors(*, comment_ids: Collection[int]) -> dict[int, int]:
    """The authors of those of some comments that exist, by id; one query."""
    return dict(Comment.objects.filter(pk__in=comment_ids).values_list("pk", "author_id"))
