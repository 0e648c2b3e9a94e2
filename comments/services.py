"""Writes of Commenting."""

from __future__ import annotations

from collections import Counter as Multiset
from collections.abc import Collection, Iterable

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now

from comments import selectors
from comments.events import CommentsChanged, comments_changed
from comments.models import Comment, CommentLike
from posts import selectors as post_selectors
from socialfeed.common import counters
from socialfeed.common.likes import add_like, remove_like, remove_likes_by, remove_likes_of
from socialfeed.common.problems import Conflict, Invalid, NotFound

_NOT_YOURS = "You have no such comment."
_LIKES_AT_ONCE = 5000


def add_comment(*, post_id: int, author_id: int, text: str, reply_to: int | None = None) -> int:
    """Comment on a post, or answer a comment on it; returns the comment's id.

    Raises `NotFound` when the post is not shown, `Conflict` when its author has closed it for
    comments, `Invalid` when `reply_to` is no comment on it, or is a reply itself.
    """
    if post_selectors.visible_post(post_id=post_id).comments_closed:
        raise Conflict("The author has closed this post for comments.", code="comments_closed")
    try:
        with transaction.atomic(using="comments"):
            if reply_to is not None:
                _check_reply(post_id, reply_to)
            comment = Comment.objects.create(
                post_id=post_id, author_id=author_id, text=text, reply_to_id=reply_to
            )
            _count([(post_id, 1)], author_id)
    except IntegrityError as error:  # what it answers was deleted meanwhile
        raise _no_such_comment() from error
    return comment.pk


def _check_reply(post_id: int, reply_to: int) -> None:
    answered = Comment.objects.filter(pk=reply_to, post_id=post_id).first()
    if answered is None:
        raise _no_such_comment()
    if answered.reply_to_id is not None:
        raise Invalid(
            "This comment is a reply itself. Reply to the one that it answers: "
            f"{answered.reply_to_id}.",
            field="reply_to",
            code="reply_to_a_reply",
        )


def _no_such_comment() -> Invalid:
    return Invalid(
        "There is no such comment on this post.", field="reply_to", code="unknown_comment"
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


def take_down(*, comment_ids: Collection[int], actor_id: int | None = None) -> int:
    """Delete comments and the replies to them, whoever's they are; returns how many went."""
    with transaction.atomic(using="comments"):
        # Locked, none of them gets a reply any more.
        locked = Comment.objects.select_for_update().filter(pk__in=comment_ids).order_by("pk")
        roots = list(locked.values_list("pk", flat=True))
        going = dict(
            Comment.objects.filter(Q(pk__in=roots) | Q(reply_to_id__in=roots))
            .select_for_update()
            .values_list("pk", "post_id")
        )
        _remove(going)
        _count([(post_id, -n) for post_id, n in Multiset(going.values()).items()], actor_id)
    return len(going)


def _remove(comment_ids: Collection[int]) -> None:
    """Remove rows, replies among them, and what hangs on them, in the caller's transaction."""
    ids = list(comment_ids)
    while remove_likes_of(likes=CommentLike, subject_ids=ids, limit=_LIKES_AT_ONCE):
        pass
    counters.forget_counts(database="comments", subject_ids=ids)
    Comment.objects.filter(pk__in=ids).delete()


def _count(changes: Iterable[tuple[int, int]], actor_id: int | None) -> None:
    """Count comments on posts up or down, and announce it; in the caller's transaction."""
    for post_id, delta in changes:
        counters.change_count(
            database="comments", subject_id=post_id, delta=delta, actor_id=actor_id
        )
        comments_changed.announce(CommentsChanged(post_id))


def announce_comments(*, post_id: int) -> None:
    """Have a post shown with the comments that it has now, whatever was shown before."""
    with transaction.atomic(using="comments"):
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
    others = subjects - selectors.existing_ids(comment_ids=list(subjects))
    gone = list(others - post_selectors.existing_ids(post_ids=others))
    counters.fold(database="comments", change_ids=[change.id for change in changes])
    if gone:
        while remove_likes_of(likes=CommentLike, subject_ids=gone, limit=_LIKES_AT_ONCE):
            pass
        counters.forget_counts(database="comments", subject_ids=gone)
    return len(changes)


def remove_comments_on_post(*, post_id: int, limit: int) -> int:
    """Remove up to `limit` comments, with their replies, of a post that is gone, and with the last
    its counter; returns how many comments went. May be repeated.
    """
    with transaction.atomic(using="comments"):
        # Replies are younger than what they answer: the oldest first would take all with them.
        rows = Comment.objects.filter(post_id=post_id).order_by("-pk")
        ids = list(rows.values_list("pk", flat=True)[:limit])
        if ids:
            replies = Comment.objects.filter(reply_to_id__in=ids)
            ids = list({*ids, *replies.values_list("pk", flat=True)})
            _remove(ids)
        else:
            counters.forget_counts(database="comments", subject_ids=[post_id])
    return len(ids)


def remove_comments_by_user(*, user_id: int, limit: int) -> int:
    """Delete up to `limit` comments of an account that is being deleted, with the replies to them;
    returns how many comments went. May be repeated.
    """
    mine = Comment.objects.filter(author_id=user_id).order_by("-pk")
    ids = list(mine.values_list("pk", flat=True)[:limit])
    return take_down(comment_ids=ids, actor_id=user_id) if ids else 0


def remove_likes_of_user(*, user_id: int, limit: int) -> int:
    """Take back up to `limit` likes of comments, likewise; returns how many."""
    return remove_likes_by(likes=CommentLike, user_id=user_id, limit=limit)
