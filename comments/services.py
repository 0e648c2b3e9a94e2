"""Writes of Commenting."""

from __future__ import annotations

from collections import Counter as Multiset
from collections.abc import Collection, Iterable, Iterator

from django.db import connections, transaction
from django.db.models.functions import Now

from comments import selectors
from comments.events import (
    CommentsChanged,
    CommentsDeleted,
    comments_changed,
    comments_deleted,
)
from comments.models import Comment, CommentLike
from core import counters
from core.http.problems import Conflict, Invalid, NotFound
from core.likes import add_like, remove_like, remove_likes_by, remove_likes_of
from core.outbox import batches
from core.outbox.batches import Removed, repeated
from posts import selectors as post_selectors

_NOT_YOURS = "You have no such comment."
# What one transaction removes at most.
REPLIES_AT_ONCE = 100
_LIKES_AT_ONCE = 5000
# By hand, for the ORM would take longer over it than the database.
_ADD_SQL = """
INSERT INTO comments_comment (post_id, author_id, text, reply_to_id) VALUES (%s, %s, %s, %s)
RETURNING id
"""
# Locked against being deleted; others may answer it too meanwhile.
_ANSWERED_SQL = """
SELECT reply_to_id FROM comments_comment WHERE id = %s AND post_id = %s FOR KEY SHARE
"""


def add_comment(*, post_id: int, author_id: int, text: str, reply_to: int | None = None) -> int:
    """Comment on a post, or answer a comment on it; returns the comment's id.

    Raises `NotFound` when the post is not shown, `Conflict` when its author has closed it for
    comments, `Invalid` when `reply_to` is no comment on it, or is a reply itself.
    """
    if post_selectors.visible_post(post_id=post_id).comments_closed:
        raise Conflict("The author has closed this post for comments.", code="comments_closed")
    with transaction.atomic(using="comments"):
        if reply_to is not None:
            _check_reply(post_id, reply_to)
        with connections["comments"].cursor() as cursor:
            cursor.execute(_ADD_SQL, [post_id, author_id, text, reply_to])
            comment_id = int(cursor.fetchone()[0])
        _count([(post_id, 1)], author_id)
    return comment_id


def _check_reply(post_id: int, reply_to: int) -> None:
    with connections["comments"].cursor() as cursor:
        cursor.execute(_ANSWERED_SQL, [reply_to, post_id])
        answered = cursor.fetchone()
    if answered is None:
        raise Invalid(
            "There is no such comment on this post.", field="reply_to", code="unknown_comment"
        )
    if answered[0] is not None:
        raise Invalid(
            f"This comment is a reply itself. Reply to the one that it answers: {answered[0]}.",
            field="reply_to",
            code="reply_to_a_reply",
        )


def edit_comment(*, comment_id: int, author_id: int, text: str) -> None:
    """Change the text of one's own comment; raises `NotFound`."""
    comment = selectors.visible_comment(comment_id=comment_id)
    if author_id != comment.author_id or not reword(comment_id=comment_id, text=text):
        raise NotFound(_NOT_YOURS)


def reword(*, comment_id: int, text: str) -> bool:
    """Change the text of a comment, whoever's it is and whoever sees it; False when it is gone."""
    with transaction.atomic(using="comments"):
        rows = Comment.objects.filter(pk=comment_id)
        post_id = rows.values_list("post_id", flat=True).first()
        if post_id is None or not rows.update(text=text, edited_at=Now()):
            return False
        comments_changed.announce(CommentsChanged(post_id))
    return True


def delete_comment(*, comment_id: int, user_id: int) -> None:
    """Delete a comment and the replies to it: its author may, and the post's.

    Raises `NotFound` for everybody else.
    """
    comment = selectors.visible_comment(comment_id=comment_id)
    if user_id not in (comment.author_id, comment.post_author_id):
        raise NotFound(_NOT_YOURS)
    if not take_down(comment_ids=[comment_id], actor_id=user_id):
        raise NotFound(_NOT_YOURS)


def take_down(*, comment_ids: Collection[int], actor_id: int | None = None) -> list[int]:
    """Delete comments and the replies to them, whoever's they are; returns which went at once.

    What may be very much, likes and more than REPLIES_AT_ONCE replies, is removed by who listens.
    """
    with transaction.atomic(using="comments"):
        rows = Comment.objects.select_for_update().order_by("pk").values_list("pk", "post_id")
        # Locked, none of them gets a reply any more.
        going = dict(rows.filter(pk__in=comment_ids))
        if not going:
            return []
        going |= dict(rows.filter(reply_to_id__in=list(going))[:REPLIES_AT_ONCE])
        Comment.objects.filter(pk__in=going).delete()
        comments_deleted.announce(CommentsDeleted(list(going)))
        _count([(post_id, -n) for post_id, n in Multiset(going.values()).items()], actor_id)
    return list(going)


def remove_replies(*, comment_ids: Collection[int], limit: int) -> list[int]:
    """Delete up to `limit` replies to comments that are gone; returns which. May be repeated."""
    replies = Comment.objects.filter(reply_to_id__in=list(comment_ids)).order_by("-pk")
    return take_down(comment_ids=list(replies.values_list("pk", flat=True)[:limit]))


def remove_dependents(*, comment_ids: Collection[int]) -> Iterator[Removed]:
    """Remove, in steps, what depends on deleted comments: their replies, which are announced as
    deleted too, and their likes.
    """
    while gone := remove_replies(comment_ids=comment_ids, limit=batches.SMALL_STEP):
        yield "comments", len(gone)
    yield from repeated("comment likes", remove_likes_of_comments, comment_ids=comment_ids)


def remove_all_on_post(*, post_id: int) -> Iterator[Removed]:
    """Remove, in steps, all comments on a post that is gone, and their likes."""
    yield from repeated("comment likes", remove_comment_likes_on_post, post_id=post_id)
    yield from repeated("comments", remove_comments_on_post, post_id=post_id)


def remove_likes_of_comments(*, comment_ids: Collection[int], limit: int) -> int:
    """Remove up to `limit` likes of comments that are gone, and with the last the counters; returns
    how many. May be repeated.
    """
    gone = list(comment_ids)
    removed = remove_likes_of(likes=CommentLike, subject_ids=gone, limit=limit)
    if not removed:
        counters.forget_counts(database="comments", subject_ids=gone)
    return removed


def _count(changes: Iterable[tuple[int, int]], actor_id: int | None) -> None:
    """Count comments on posts up or down, and announce it; in the caller's transaction."""
    for post_id, delta in changes:
        counters.change_count(
            database="comments", subject_id=post_id, delta=delta, actor_id=actor_id
        )
        comments_changed.announce(CommentsChanged(post_id))


def like_comment(*, comment_id: int, user_id: int) -> bool:
    """Let somebody like a comment; False when they do already. Raises `NotFound`."""
    selectors.visible_comment(comment_id=comment_id)
    return add_like(likes=CommentLike, subject_id=comment_id, user_id=user_id)


def unlike_comment(*, comment_id: int, user_id: int) -> bool:
    """The inverse; False when they do not like it. Raises `NotFound`."""
    selectors.visible_comment(comment_id=comment_id)
    return remove_like(likes=CommentLike, subject_id=comment_id, user_id=user_id)


def settle_counters(*, limit: int) -> int:
    """Fold counted comments and likes into the durable counters; returns how many changes.

    Likes that came to a comment while it was deleted are removed with it.
    """
    changes = counters.pending_changes(database="comments", limit=limit)
    subjects = {change.subject_id for change in changes}
    others = subjects - selectors.existing_ids(comment_ids=subjects)
    gone = list(others - post_selectors.existing_ids(post_ids=others))
    counters.fold(database="comments", change_ids=[change.id for change in changes])
    if gone:
        while remove_likes_of(likes=CommentLike, subject_ids=gone, limit=_LIKES_AT_ONCE):
            pass
        counters.forget_counts(database="comments", subject_ids=gone)
    return len(changes)


def remove_comment_likes_on_post(*, post_id: int, limit: int) -> int:
    """Remove up to `limit` likes of the comments on a post that is gone; returns how many."""
    comments = Comment.objects.filter(post_id=post_id).values_list("pk", flat=True)
    return remove_likes_of(likes=CommentLike, subject_ids=comments, limit=limit)


def remove_comments_on_post(*, post_id: int, limit: int) -> int:
    """Remove up to `limit` comments, whose likes are gone, of a post that is gone, and with the
    last its counter; returns how many. May be repeated.
    """
    rows = Comment.objects.filter(post_id=post_id)
    ids = list(rows.values_list("pk", flat=True)[:limit])
    with transaction.atomic(using="comments"):
        rows.filter(pk__in=ids).delete()
        counters.forget_counts(database="comments", subject_ids=ids or [post_id])
    return len(ids)


def remove_comments_by_user(*, user_id: int, limit: int) -> list[int]:
    """Delete up to `limit` comments of an account that is being deleted, with the replies to them;
    returns which went. May be repeated.
    """
    mine = Comment.objects.filter(author_id=user_id).order_by("-pk")
    ids = list(mine.values_list("pk", flat=True)[:limit])
    return take_down(comment_ids=ids, actor_id=user_id)


def remove_likes_of_user(*, user_id: int, limit: int) -> int:
    """Take back up to `limit` likes of comments, likewise; returns how many."""
    return remove_likes_by(likes=CommentLike, user_id=user_id, limit=limit)
