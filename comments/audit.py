"""Compares the counts of comments and of their likes with the rows; for the reconciler."""

from collections.abc import Iterator

from comments.models import Comment, CommentLike
from core.counters import CountAudit
from core.ids import id_batches

COMMENTS = CountAudit(Comment, "post_id")
LIKES = CountAudit(CommentLike, "subject_id")


def all_ids(*, size: int) -> Iterator[list[int]]:
    """The ids of all comments, oldest first, `size` at a time; a query each."""
    return id_batches(Comment, size=size)
