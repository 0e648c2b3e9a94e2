"""Compares the counts of comments and of their likes with the rows; for the reconciler."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from comments.models import Comment, CommentLike
from core.counters import CountAudit
from core.ids import id_batches
from core.likes import likes_sql


def _comments_sql(post: str) -> str:
    return f"SELECT count(*) FROM comments_comment WHERE post_id = {post}"  # noqa: S608


COMMENTS = CountAudit("comments", _comments_sql)
LIKES = CountAudit("comments", partial(likes_sql, CommentLike))


def all_ids(*, size: int) -> Iterator[list[int]]:
    """The ids of all comments, oldest first, `size` at a time; a query each."""
    return id_batches(Comment, size=size)
