"""Writes of Post Info."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import orjson
from django.db import connections, transaction
from django.db.models import Case, When
from django.db.models.functions import Now

from core import counters
from core.counters import made_by
from core.http.problems import NotFound
from core.likes import add_like, remove_like, remove_likes_by, remove_likes_of, show_likes_by
from core.outbox.batches import Removed, repeated
from core.sql.transactions import after_commit
from media import services as media_services
from posts import selectors, store
from posts.events import PostChanged, PostEdited, post_deleted, post_edited, post_published
from posts.models import Audience, CommentSummary, Like, Post, WaitingPost
from users.services import steady_account

# Inserts a summary and deletes the older ones, except those that another transaction deletes now.
_STORE_SUMMARY_SQL = """
WITH kept AS (
    INSERT INTO posts_commentsummary (post_id, version, count, recent)
    VALUES (%(post_id)s, %(version)s, %(count)s, %(recent)s)
    ON CONFLICT DO NOTHING
)
DELETE FROM posts_commentsummary WHERE id IN (
    SELECT id FROM posts_commentsummary
    WHERE post_id = %(post_id)s AND version < %(version)s FOR UPDATE SKIP LOCKED
)
"""


def publish_post(
    *,
    author_id: int,
    caption: str,
    media_ids: Sequence[int],
    audience: str = Audience.EVERYONE,
    waiting_post_id: int | None = None,
) -> int:
    """Publish uploaded media under a caption, for an `Audience`; returns the post's id.

    Raises `Invalid`, and stores nothing, if some media is not the author's own, is not ready, or is
    used already by anything but the waiting post that becomes this post. The post, its claim on the
    media and its outbox rows commit together.
    """
    with transaction.atomic(using="posts"):
        post = Post.objects.create(author_id=author_id, caption=caption, audience=audience)
        media_services.claim_media(
            owner_id=author_id,
            media_ids=media_ids,
            used_as="post",
            used_by_id=post.pk,
            held_by_id=waiting_post_id,
            is_confidential=audience != Audience.EVERYONE,
        )
        _count(author_id, [audience], by=1)
        post_published.announce(PostChanged(post_id=post.pk, author_id=author_id))
    return post.pk


def edit_post(*, post_id: int, author_id: int, changes: dict[str, Any]) -> None:
    """Change `caption`, `comments_closed` or `comments_from`; raises `NotFound` if the author has
    no such post.

    Another caption sets `edited_at`. What is as it was changes nothing, and is not announced.
    """
    columns = dict(changes)
    if "caption" in changes:
        is_same = When(caption=changes["caption"], then="edited_at")
        columns["edited_at"] = Case(is_same, default=Now())
    with transaction.atomic(using="posts"):
        mine = Post.objects.filter(pk=post_id, author_id=author_id)
        if mine.exclude(**changes).update(**columns):
            post_edited.announce(PostEdited(post_id=post_id))
        elif not mine.exists():
            raise NotFound("You have no such post.")


def delete_post(*, post_id: int, author_id: int) -> None:
    """Delete an author's post, or raise `NotFound`. Subscribers remove its dependents later."""
    with transaction.atomic(using="posts"):
        mine = Post.objects.filter(pk=post_id, author_id=author_id)
        audiences = list(mine.values_list("audience", flat=True))
        deleted, _ = mine.delete()
        if not deleted:
            raise NotFound("You have no such post.")
        _count(author_id, audiences, by=-1)
        post_deleted.announce(PostChanged(post_id=post_id, author_id=author_id))


def delete_posts_of_author(*, author_id: int, post_ids: Collection[int]) -> int:
    """Delete some posts of an account that is being deleted, as their author would; returns how
    many. The count of its posts goes with the last of them: `forget_post_count`.
    """
    with transaction.atomic(using="posts"):
        mine = Post.objects.select_for_update().filter(pk__in=post_ids, author_id=author_id)
        going = dict(mine.order_by("pk").values_list("pk", "audience"))
        Post.objects.filter(pk__in=going).delete()
        _count(author_id, going.values(), by=-1)
        for post_id in going:
            post_deleted.announce(PostChanged(post_id=post_id, author_id=author_id))
    return len(going)


def _count(author_id: int, audiences: Iterable[str], *, by: int) -> None:
    """Count posts of an author, in the caller's transaction: those for everyone."""
    if number := sum(audience == Audience.EVERYONE for audience in audiences):
        counters.change_counts(database="posts", deltas={made_by(author_id): by * number})


def remove_waiting_posts(*, author_id: int, limit: int) -> int:
    """Remove up to `limit` waiting posts of an account that is being deleted; returns how many.
    Their media go with the account's.
    """
    ids = WaitingPost.objects.filter(author_id=author_id).values_list("pk", flat=True)[:limit]
    return WaitingPost.objects.filter(pk__in=list(ids)).delete()[0]


def forget_post_count(*, author_id: int) -> None:
    """Remove the counter of the posts of an account that is being deleted and has none left."""
    counters.forget_counts(database="posts", subject_ids=[made_by(author_id)])


def like_post(*, post_id: int, user_id: int) -> bool:
    """Like a post; returns False if the user likes it already. Raises `NotFound`."""
    selectors.visible_post(post_id=post_id, viewer_id=user_id)
    with transaction.atomic(using="posts"):
        is_new = add_like(likes=Like, subject_id=post_id, user_id=user_id)
        # Also for a repetition: the request that died before its answer may not have done it.
        after_commit("posts", refresh_like, post_id=post_id, user_id=user_id)
    return is_new


def unlike_post(*, post_id: int, user_id: int) -> bool:
    """Take a like back; returns False if the user does not like the post. Raises `NotFound`."""
    selectors.visible_post(post_id=post_id, viewer_id=user_id)
    with transaction.atomic(using="posts"):
        was_liked = remove_like(likes=Like, subject_id=post_id, user_id=user_id)
        after_commit("posts", refresh_like, post_id=post_id, user_id=user_id)
    return was_liked


def refresh_records(*, post_ids: Collection[int]) -> None:
    """Refresh the records of posts. CACHE down: raises."""
    store.refresh(post_ids=post_ids, user_ids=[])


def refresh_like(*, post_id: int, user_id: int) -> None:
    """Refresh the record of a post, and which posts the user likes. CACHE down: raises."""
    store.refresh(post_ids=[post_id], user_ids=[user_id])


def store_comment_summary(
    *, post_id: int, version: int, count: int, recent: Sequence[dict[str, Any]]
) -> None:
    """Store a post's comment summary, unless a newer `version` is stored; refresh the record."""
    summary: dict[str, int | str] = {
        "post_id": post_id,
        "version": version,
        "count": count,
        "recent": orjson.dumps(list(recent)).decode(),
    }
    with connections["posts"].cursor() as cursor:
        cursor.execute(_STORE_SUMMARY_SQL, summary)
    refresh_records(post_ids=[post_id])


def settle_counters(*, limit: int) -> int:
    """Fold counted likes and posts into the durable counters, oldest first; returns how many
    changes.

    Before that it does what requests that died could not do: it refreshes the records of the liked
    posts, and removes likes of posts that have been deleted meanwhile. CACHE down: raises, and the
    changes stay for the next time.
    """
    changes = counters.pending_changes(database="posts", limit=limit)
    likes = [change for change in changes if change.subject_id > 0]
    liked = {change.subject_id for change in likes}
    existing = selectors.existing_ids(post_ids=liked)
    store.refresh(
        post_ids=existing,
        user_ids={change.actor_id for change in likes if change.actor_id is not None},
    )
    counters.fold(database="posts", change_ids=[change.id for change in changes])
    gone = liked - existing
    while remove_likes_of_posts(post_ids=gone, limit=limit):
        pass
    return len(changes)


def remove_likes_of_posts(*, post_ids: Collection[int], limit: int) -> int:
    """Remove up to `limit` likes of deleted posts; returns their number. May be repeated.

    When no like is left, it returns 0 and removes the counters and comment summaries.
    """
    gone = list(post_ids)
    if not gone:
        return 0
    removed = remove_likes_of(likes=Like, subject_ids=gone, limit=limit)
    if not removed:
        counters.forget_counts(database="posts", subject_ids=gone)
        CommentSummary.objects.filter(post_id__in=gone).delete()
    return removed


def remove_dependents(*, post_ids: Collection[int]) -> Iterator[Removed]:
    """Remove, in steps, what the posts database has of deleted posts."""
    yield from repeated("likes", remove_likes_of_posts, post_ids=post_ids)


def remove_likes_by_user(*, user_id: int, limit: int) -> int:
    """Remove up to `limit` likes that a user has given to posts, and count them off; returns how
    many. For an account that is being deleted; call it until it returns 0.
    """
    return remove_likes_by(likes=Like, user_id=user_id, limit=limit)


def show_likes_of_account(*, user_id: int, after: int, limit: int) -> int | None:
    """Show the likes of an active account, hide those of another: one step, up to `limit` posts
    above the id `after`. Returns the last post that it has reached, None at the end. CACHE down:
    raises.
    """
    with steady_account(user_id=user_id) as is_active:
        reached, post_ids = show_likes_by(
            likes=Like, user_id=user_id, is_shown=is_active, after=after, limit=limit
        )
    refresh_records(post_ids=post_ids)
    return reached


def drop_cached_user(*, user_id: int) -> None:
    """Remove from CACHE which posts a user likes. CACHE down: raises."""
    store.LIKED.drop([user_id])
