"""Compares the counts of comments and of their likes with the rows; for the reconciler."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from comments.models import Comment, CommentLike
from core import counters
from core.ids import id_batches
from core.likes import likes_sql

_likes_sql = partial(likes_sql, CommentLike)


def _comments_sql(post: str) -> str:
    return f"SELECT count(*) FROM comments_comment WHERE post_id = {post}"  # noqa: S608


def all_ids(*, size: int) -> Iterator[list[int]]:
    """The ids of all comments, oldest first, `size` at a time; a query each."""
    return id_batches(Comment, size=size)


def comment_counts(*, post_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """(count, number of rows) of the comments on posts, in one snapshot."""
    return counters.compared(database="comments", subject_ids=post_ids, truth_sql=_comments_sql)


def like_counts(*, comment_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """(count, number of rows) of the likes of comments, in one snapshot."""
    return counters.compared(database="comments", subject_ids=comment_ids, truth_sql=_likes_sql)


def correct_comments(*, post_id: int) -> None:
    """Set the count of a post's comments to the number of rows. Others may comment meanwhile."""
    counters.correct(database="comments", subject_id=post_id, truth_sql=_comments_sql)


def correct_likes(*, comment_id: int) -> None:
    """Set the count of a comment's likes to the number of rows. Others may like it meanwhile."""
    counters.correct(database="comments", subject_id=comment_id, truth_sql=_likes_sql)
