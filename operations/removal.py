"""Remove, in the background, what belonged to something that is gone: all databases, Valkey, S3.

Each function does it in steps and yields after each what went: the kind of the rows, and how many.
A step may be done twice, and who begins anew goes on with what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from comments import services as comment_services
from core.http import idempotency
from media import services as media_services
from posts import selectors as post_selectors
from posts import services as post_services
from timeline import services as timeline_services
from usergraph import services as graph_services
from users import services as user_services

Removed = tuple[str, int]

# Rows that one step removes: some hundredths of a second.
STEP = 500
# Those of which each is announced, or has objects in the store: up to a second.
FEW = 100


def remove_what_hangs_on_post(*, post_id: int) -> Iterator[Removed]:
    """The likes, comments and media of a deleted post."""
    yield from _all("likes", post_services.remove_what_hangs_on, post_ids=[post_id], limit=STEP)
    yield from _comments_on_post(post_id)
    yield from _all("media", media_services.remove_media_of_post, post_id=post_id, limit=STEP)


def _comments_on_post(post_id: int) -> Iterator[Removed]:
    on_post = {"post_id": post_id, "limit": STEP}
    yield from _all("comment likes", comment_services.remove_comment_likes_on_post, **on_post)
    yield from _all("comments", comment_services.remove_comments_on_post, **on_post)


def remove_what_hangs_on_comments(*, comment_ids: Collection[int]) -> Iterator[Removed]:
    """The replies to deleted comments, which have deliveries of their own, and the likes."""
    while gone := comment_services.remove_replies(comment_ids=comment_ids, limit=FEW):
        yield "comments", len(gone)
    yield from _all(
        "comment likes",
        comment_services.remove_likes_of_comments,
        comment_ids=comment_ids,
        limit=STEP,
    )


def remove_owned_by_account(*, user_id: int) -> Iterator[Removed]:
    """All that an account owns, round after round until one has found nothing: what a request that
    was under way has written meanwhile goes with the next.
    """
    is_clean = False
    while not is_clean:
        is_clean = True
        for removed in _one_round(user_id):
            is_clean = False
            yield removed


def _one_round(user_id: int) -> Iterator[Removed]:
    """Each of these finds by itself what is left."""
    if ended := user_services.end_all_sessions(user_id=user_id):
        yield "sessions", ended
    yield from _posts(user_id)
    yield from _all("likes", post_services.remove_likes_of_user, user_id=user_id, limit=STEP)
    while gone := comment_services.remove_comments_by_user(user_id=user_id, limit=FEW):
        yield "comments", len(gone)
        yield from remove_what_hangs_on_comments(comment_ids=gone)
    yield from _all(
        "comment likes", comment_services.remove_likes_of_user, user_id=user_id, limit=STEP
    )
    yield from _all("follows", graph_services.remove_follows_of_user, user_id=user_id, limit=STEP)
    # The answers that they keep show what the account has made.
    yield from _all("keys", idempotency.remove_keys_of, user_id=user_id, limit=STEP)
    # Last: should the object store be down, all the rest is gone already.
    yield from _all("media", media_services.remove_media_of_owner, owner_id=user_id, limit=FEW)


def _posts(author_id: int) -> Iterator[Removed]:
    """The posts, and what hangs on them; should this be killed in between, their own deliveries
    remove the rest.
    """
    while refs := post_selectors.post_refs(author_ids=[author_id], before=None, limit=FEW):
        ids = [post_id for post_id, _ in refs]
        yield "posts", post_services.delete_posts_of_author(author_id=author_id, post_ids=ids)
        yield from _all("likes", post_services.remove_what_hangs_on, post_ids=ids, limit=STEP)
        for id_ in ids:
            yield from _comments_on_post(id_)


def _all(kind: str, remove: Callable[..., int], **arguments: Any) -> Iterator[Removed]:
    """`remove` again and again until it finds nothing."""
    while removed := remove(**arguments):
        yield kind, removed


def forget_account(*, user_id: int) -> None:
    """What CACHE keeps of somebody who is gone. CACHE down: raises."""
    timeline_services.forget_user(user_id=user_id)
    graph_services.forget_user(user_id=user_id)
    post_services.forget_user(user_id=user_id)
    user_services.renew_documents(user_ids=[user_id])
