"""Compares the counts and records of posts with the rows; for the reconciler."""

from collections.abc import Callable, Collection, Iterator
from typing import Any

from django.db import transaction

from core import counters
from core.cached_values import stale_ids
from core.counters import CountAudit, ShownAudit
from core.ids import id_batches
from posts.models import Audience, CommentSummary, Like, Post
from posts.store import RECORDS

LIKES = CountAudit(Like, "subject_id", if_column="is_shown")
POSTS = CountAudit(
    Post, "author_id", is_negative=True, if_column=f"audience = '{Audience.EVERYONE}'"
)
SHOWN = [ShownAudit(Like, "user_id", "is_shown")]


def all_ids(*, size: int) -> Iterator[list[int]]:
    """The ids of all posts, oldest first, `size` at a time; a query each."""
    return id_batches(Post, size=size)


def authors(*, post_ids: Collection[int]) -> dict[int, int]:
    """The authors of those of some posts that exist, by id; one query."""
    return dict(Post.objects.filter(pk__in=post_ids).values_list("pk", "author_id"))


def comment_summaries(*, post_ids: Collection[int]) -> dict[int, tuple[int, int, list[Any]]]:
    """The latest (version, count, latest comments) of each post that has a comment summary."""
    rows = CommentSummary.objects.filter(post_id__in=post_ids).order_by("version")
    found = rows.values_list("post_id", "version", "count", "recent")
    return {post_id: (version, count, recent) for post_id, version, count, recent in found}


def replace_comment_summary(
    *, post_id: int, version: int, count: int, recent: list[dict[str, Any]]
) -> None:
    """Replace all comment summaries of a post by one, whatever their versions."""
    with transaction.atomic(using="posts"):
        CommentSummary.objects.filter(post_id=post_id).delete()
        CommentSummary.objects.create(post_id=post_id, version=version, count=count, recent=recent)


def stale_records(
    *, post_ids: Collection[int], pending: Callable[[Collection[int]], Collection[int]]
) -> set[int]:
    """Posts whose records in CACHE differ from SQL; `pending`: see `cached_values.stale_ids`."""

    def unsettled(ids: Collection[int]) -> set[int]:
        liked = counters.subjects_pending(database="posts", subject_ids=list(ids))
        return {*liked, *pending(ids)}

    return stale_ids(RECORDS, post_ids, pending=unsettled)


def drop_records(*, post_ids: Collection[int]) -> None:
    """Drop records from CACHE, whatever their versions; the next reader stores them again."""
    RECORDS.drop(post_ids)
