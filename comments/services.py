"""Writes of Commenting."""

from collections import Counter as Multiset
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db import connections, transaction
from django.db.models.functions import Now

from comments import held, selectors
from comments.events import CommentsChanged, CommentsDeleted, comments_changed, comments_deleted
from comments.models import Comment, CommentLike
from comments.rules import Rules, refuse_unless_let_in, rules_of
from comments.rules import forget_rules as forget_rules  # noqa: PLC0414  (for other apps, too)
from core import counters
from core.http.problems import Conflict, Invalid, NotFound
from core.likes import add_like, remove_like, remove_likes_by, remove_likes_of, show_likes_by
from core.outbox import batches
from core.outbox.batches import Removed, repeated
from posts import selectors as post_selectors
from posts.selectors import VisiblePost
from usergraph.selectors import standing
from usergraph.visibility import is_hidden, visible_people
from users.services import steady_account

_NOT_YOURS = "You have no such comment."
# What one transaction removes at most.
REPLIES_AT_ONCE = 100
_LIKES_AT_ONCE = 5000
# Raw SQL: the ORM takes longer than the database. It adds a comment, and reads the rules of the
# post's author.
_ADD_SQL = """
WITH added AS (
    INSERT INTO comments_comment (post_id, author_id, text, reply_to_id)
    VALUES (%(post_id)s, %(author_id)s, %(text)s, %(reply_to)s)
    RETURNING id
)
SELECT added.id, rules.comments_from, rules.hidden_words
FROM added LEFT JOIN comments_commentrules AS rules ON rules.author_id = %(post_author_id)s
"""
# The lock prevents a deletion, and lets others reply at the same time.
_ANSWERED_SQL = """
SELECT author_id, reply_to_id, held_for FROM comments_comment
WHERE id = %s AND post_id = %s AND (is_shown OR held_for IS NOT NULL) FOR KEY SHARE
"""
# The comments that a step of a walk reaches, and which of them change.
_SHOW_SQL = """
WITH reached AS (
    SELECT id, post_id FROM comments_comment
    WHERE author_id = %(user_id)s AND id > %(after)s
    ORDER BY id LIMIT %(limit)s FOR NO KEY UPDATE
), changed AS (
    UPDATE comments_comment AS comment SET is_shown = %(is_shown)s FROM reached
    WHERE comment.id = reached.id AND comment.is_shown <> %(is_shown)s AND held_for IS NULL
    RETURNING comment.post_id, comment.reply_to_id
)
SELECT (SELECT max(id) FROM reached), ARRAY(SELECT ARRAY[post_id, reply_to_id] FROM changed)
"""


def add_comment(*, post_id: int, author_id: int, text: str, reply_to: int | None = None) -> int:
    """As `comment_on`; raises `NotFound` if the author of the comment may not see the post."""
    post = post_selectors.visible_post(post_id=post_id, viewer_id=author_id)
    return comment_on(post=post, text=text, reply_to=reply_to)


def comment_on(*, post: VisiblePost, text: str, reply_to: int | None = None) -> int:
    """Comment on a post for its viewer, or reply to a comment on it; returns the comment's id.

    It may be held back (`comments.held`). Raises `Conflict` if the author has closed the post for
    comments, or `reply_to` waits for the viewer's own approval; `Forbidden` if the author does not
    let the viewer comment; `Invalid` if `reply_to` is no comment on the post, or is a reply itself.
    """
    if post.comments_closed:
        raise Conflict("The author has closed this post for comments.", code="comments_closed")
    parameters: dict[str, Any] = {
        "post_id": post.post_id,
        "author_id": post.viewer_id,
        "post_author_id": post.author_id,
        "text": text,
        "reply_to": reply_to,
    }
    is_own = post.viewer_id == post.author_id
    stands = None if is_own else standing(author_id=post.author_id, user_id=post.viewer_id)
    with transaction.atomic(using="comments"):
        is_held = reply_to is not None and _answers_held(post, reply_to)
        with connections["comments"].cursor() as cursor:
            cursor.execute(_ADD_SQL, parameters)
            comment_id, *found = cursor.fetchone()
        if stands is not None:
            rules = Rules() if found[0] is None else Rules(*found)
            refuse_unless_let_in(post, rules, stands)
            is_held = is_held or held.is_to_be_held(text, rules, stands)
        if is_held:
            held.hold(comment_id=comment_id, author_id=post.author_id)
        else:
            _count([(post.post_id, reply_to, 1)], post.viewer_id)
    return int(comment_id)


def _answers_held(post: VisiblePost, reply_to: int) -> bool:
    """Whether a reply to this comment is held back, because the comment is. Raises as `comment_on`
    does.
    """
    with connections["comments"].cursor() as cursor:
        cursor.execute(_ANSWERED_SQL, [reply_to, post.post_id])
        author_id, answers, held_for = cursor.fetchone() or (0, None, None)
    if held_for is not None and post.viewer_id not in (author_id, held_for):
        author_id = 0
    if is_hidden(viewer_id=post.viewer_id, user_id=author_id) or not author_id:
        raise Invalid(
            "There is no such comment on this post.", field="reply_to", code="unknown_comment"
        )
    if answers is not None:
        raise Invalid(
            f"This comment is a reply itself. Reply to the one that it answers: {answers}.",
            field="reply_to",
            code="reply_to_a_reply",
        )
    if held_for is not None and post.viewer_id == held_for:
        raise Conflict(
            "This comment waits for your approval. Approve it before you reply.",
            code="held_comment",
        )
    return held_for is not None


def edit_comment(*, comment_id: int, author_id: int, text: str) -> None:
    """Change the text of the author's own comment, which may be held back then; raises
    `NotFound`.
    """
    comment = selectors.visible_comment(comment_id=comment_id, viewer_id=author_id)
    if author_id != comment.author_id:
        raise NotFound(_NOT_YOURS)
    hold_for, post_author_id = None, comment.post_author_id
    if author_id != post_author_id:
        stands = standing(author_id=post_author_id, user_id=author_id)
        if held.is_to_be_held(text, rules_of(author_id=post_author_id), stands):
            hold_for = post_author_id
    if not reword(comment_id=comment_id, text=text, hold_for=hold_for):
        raise NotFound(_NOT_YOURS)


def reword(*, comment_id: int, text: str, hold_for: int | None = None) -> bool:
    """Change the text of any comment, visible or not; returns False if it does not exist.

    `hold_for`: the author of its post, who has to approve the new text. The same text changes
    nothing, and is not announced.
    """
    with transaction.atomic(using="comments"):
        rows = Comment.objects.filter(pk=comment_id)
        found = rows.values_list("post_id", "reply_to_id").first()
        if found is None:
            return False
        if not rows.exclude(text=text).update(text=text, edited_at=Now()):
            return rows.exists()
        was_shown = hold_for is not None and held.hold(comment_id=comment_id, author_id=hold_for)
        _count([(*found, -was_shown)], None)
    return True


def approve_comment(*, comment_id: int, author_id: int, edited_at: datetime | None) -> None:
    """Show a comment that is held back on a post of the author's to everybody who sees the post.

    `edited_at`: of the text that the author has seen. Does nothing if it is shown already. Raises
    `NotFound` if it is on no post of the author's, or its own author is hidden, and `Conflict` if
    the text is another one by now, or it replies to one that is held back.
    """
    comment = selectors.visible_comment(comment_id=comment_id, viewer_id=author_id)
    if comment.post_author_id != author_id:
        raise NotFound("There is no such comment on a post of yours.")
    # If the one who wrote it is deactivated meanwhile, the second walk over the account's comments
    # hides it again.
    with transaction.atomic(using="comments"):
        if approved := held.approve(
            comment_id=comment_id, author_id=author_id, edited_at=edited_at
        ):
            _count([(*approved, 1)], comment.author_id)


def delete_comment(*, comment_id: int, user_id: int) -> None:
    """Delete a comment and its replies; raises `NotFound` unless the user wrote it or its post.

    The author of the post may delete it though its author is suspended; not if a block hides it.
    """
    comment = selectors.unchecked_comment(comment_id=comment_id)
    post = post_selectors.unchecked_post(post_id=comment.post_id)
    people = visible_people(viewer_id=user_id, user_ids=[post.author_id])
    # Also who may not see the post of a private account any more: the comment is their own.
    may_delete = (
        user_id in (comment.author_id, post.author_id) and post.author_id in people.documents
    )
    if is_hidden(viewer_id=user_id, user_id=comment.author_id) or not may_delete:
        raise NotFound(_NOT_YOURS)
    if not take_down(comment_ids=[comment_id], actor_id=user_id):
        raise NotFound(_NOT_YOURS)


def take_down(*, comment_ids: Collection[int], actor_id: int | None = None) -> list[int]:
    """Delete any comments and the replies to them; returns the ids of what was deleted at once.

    Their likes, and more than REPLIES_AT_ONCE replies, are removed later: what announces them
    causes that.
    """
    with transaction.atomic(using="comments"):
        rows = Comment.objects.select_for_update().order_by("pk")
        # Once locked, none of them can get another reply.
        going = {row.pk: row for row in rows.filter(pk__in=comment_ids)}
        if not going:
            return []
        replies = rows.filter(reply_to_id__in=list(going))[:REPLIES_AT_ONCE]
        going |= {row.pk: row for row in replies}
        Comment.objects.filter(pk__in=going).delete()
        comments_deleted.announce(CommentsDeleted(list(going)))
        changes = (
            # The count of a comment that goes too is removed with its likes.
            (row.post_id, None if row.reply_to_id in going else row.reply_to_id, -row.is_shown)
            for row in going.values()
        )
        _count(changes, actor_id)
    return list(going)


def remove_dependents(*, comment_ids: Collection[int]) -> Iterator[Removed]:
    """Remove, in steps, the likes of deleted comments, and the replies, which it announces too."""
    replies = Comment.objects.filter(reply_to_id__in=list(comment_ids)).order_by("-pk")
    ids = replies.values_list("pk", flat=True)
    while gone := take_down(comment_ids=list(ids[: batches.SMALL_STEP])):
        yield "comments", len(gone)
    yield from repeated("comment likes", remove_likes_of_comments, comment_ids=comment_ids)


def remove_all_on_post(*, post_id: int) -> Iterator[Removed]:
    """Remove, in steps, all comments on a deleted post, and their likes."""
    yield from repeated("comment likes", remove_comment_likes_on_post, post_id=post_id)
    yield from repeated("comments", remove_comments_on_post, post_id=post_id)


def remove_likes_of_comments(*, comment_ids: Collection[int], limit: int) -> int:
    """Remove up to `limit` likes of comments; returns how many. If 0, removes their counters."""
    gone = list(comment_ids)
    removed = remove_likes_of(likes=CommentLike, subject_ids=gone, limit=limit)
    if not removed:
        _forget_counts(gone)
    return removed


def _forget_counts(comment_ids: Sequence[int]) -> None:
    """Remove the counters of deleted comments: of their likes, and of the replies to them."""
    subjects = [*comment_ids, *map(counters.replies_to, comment_ids)]
    counters.forget_counts(database="comments", subject_ids=subjects)


def _count(
    changes: Iterable[tuple[int, int | None, int]],
    actor_id: int | None,
    *,
    around: str | None = None,
) -> None:
    """Change the counts of comments on posts and of replies; announce it for each post.

    In the caller's transaction. `changes`: of each comment its post, what it replies to (None: it
    is not counted as a reply), and by how much it counts more than before. `around`: see
    `announce`.
    """
    deltas: Multiset[int] = Multiset()
    post_ids: dict[int, None] = {}
    for post_id, reply_to, by in changes:
        post_ids[post_id] = None
        deltas[post_id] += by
        if reply_to is not None:
            deltas[counters.replies_to(reply_to)] += by
    if changed := {subject_id: delta for subject_id, delta in deltas.items() if delta}:
        counters.change_counts(database="comments", deltas=changed, actor_id=actor_id)
    for post_id in post_ids:
        comments_changed.announce(CommentsChanged(post_id), around=around)


def like_comment(*, comment_id: int, user_id: int) -> bool:
    """Like a comment; returns False if the user likes it already. Raises `NotFound`."""
    comment = selectors.visible_comment(comment_id=comment_id, viewer_id=user_id)
    return add_like(likes=CommentLike, subject_id=comment.comment_id, user_id=user_id)


def unlike_comment(*, comment_id: int, user_id: int) -> bool:
    """Take a like back; returns False if the user does not like it. Raises `NotFound`."""
    comment = selectors.visible_comment(comment_id=comment_id, viewer_id=user_id)
    return remove_like(likes=CommentLike, subject_id=comment.comment_id, user_id=user_id)


def settle_counters(*, limit: int) -> int:
    """Fold changes of the comment, like and reply counts into the durable counters; returns their
    number.

    Removes likes that were added to a comment while it was being deleted, and counters of those
    that are gone.
    """
    changes = counters.pending_changes(database="comments", limit=limit)
    # Posts, and comments: a subject of replies is the negative of the comment.
    ids = {abs(change.subject_id) for change in changes}
    others = ids - selectors.existing_ids(comment_ids=ids)
    gone = list(others - post_selectors.existing_ids(post_ids=others))
    counters.fold(database="comments", change_ids=[change.id for change in changes])
    if gone:
        while remove_likes_of_comments(comment_ids=gone, limit=_LIKES_AT_ONCE):
            pass
    return len(changes)


def show_comments_of_account(*, user_id: int, after: int, limit: int) -> int | None:
    """Show the comments of an active account, hide those of another: one step, up to `limit`
    comments above the id `after`. Returns the last one that it has reached, None at the end.
    """
    parameters = {"user_id": user_id, "after": after, "limit": limit}
    with (
        steady_account(user_id=user_id) as is_active,
        transaction.atomic(using="comments"),
        connections["comments"].cursor() as cursor,
    ):
        cursor.execute(_SHOW_SQL, parameters | {"is_shown": is_active})
        reached, changed = cursor.fetchone()
        by = 1 if is_active else -1
        changes = [(post_id, reply_to, by) for post_id, reply_to in changed]
        # The posts are refreshed in this process, when the account's row is free again.
        _count(changes, user_id, around="default")
    return int(reached) if reached else None


def show_likes_of_account(*, user_id: int, after: int, limit: int) -> int | None:
    """The same for the likes that the account has given to comments; `after` is a comment."""
    with steady_account(user_id=user_id) as is_active:
        reached, _ = show_likes_by(
            likes=CommentLike, user_id=user_id, is_shown=is_active, after=after, limit=limit
        )
    return reached


def remove_comment_likes_on_post(*, post_id: int, limit: int) -> int:
    """Remove up to `limit` likes of the comments on a deleted post; returns their number."""
    comments = Comment.objects.filter(post_id=post_id).values_list("pk", flat=True)
    return remove_likes_of(likes=CommentLike, subject_ids=comments, limit=limit)


def remove_comments_on_post(*, post_id: int, limit: int) -> int:
    """Remove up to `limit` comments on a deleted post; returns their number. May be repeated.

    Call it after their likes are removed. When no comment is left, it removes the post's counter.
    """
    rows = Comment.objects.filter(post_id=post_id)
    with transaction.atomic(using="comments"):
        locked = rows.order_by("pk").select_for_update()
        ids = list(locked.values_list("pk", flat=True)[:limit])
        rows.filter(pk__in=ids).delete()
        if ids:
            _forget_counts(ids)
        else:
            counters.forget_counts(database="comments", subject_ids=[post_id])
    return len(ids)


def remove_comments_by_user(*, user_id: int, limit: int) -> list[int]:
    """Delete up to `limit` comments of a user, and the replies to them; returns all deleted ids."""
    mine = Comment.objects.filter(author_id=user_id).order_by("-pk")
    ids = list(mine.values_list("pk", flat=True)[:limit])
    return take_down(comment_ids=ids, actor_id=user_id)


def remove_likes_by_user(*, user_id: int, limit: int) -> int:
    """The same for the likes that it has given to comments."""
    return remove_likes_by(likes=CommentLike, user_id=user_id, limit=limit)
