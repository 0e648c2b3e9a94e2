"""Remove, in steps (`batches`), what a deleted post or account leaves in SQL, Valkey and S3."""

from collections.abc import Callable, Iterator
from contextlib import suppress

from comments import services as comment_services
from core.http import idempotency_keys
from core.outbox import batches
from core.outbox.batches import Removed, repeated
from media import services as media_services
from posts import selectors as post_selectors
from posts import services as post_services
from timeline import services as timeline_services
from timeline.inventory import timelines_of
from usergraph import services as graph_services
from users import services as user_services


def remove_dependents_of_post(*, post_id: int) -> Iterator[Removed]:
    """The media, likes and comments of a deleted post."""

    def media() -> Iterator[Removed]:
        return repeated("media", media_services.remove_media_of_post, post_id=post_id)

    def others() -> Iterator[Removed]:
        yield from post_services.remove_dependents(post_ids=[post_id])
        yield from comment_services.remove_all_on_post(post_id=post_id)

    return _public_first(media, others)


def _public_first(
    media: Callable[[], Iterator[Removed]], others: Callable[[], Iterator[Removed]]
) -> Iterator[Removed]:
    """Media go first, because anybody who has their address still sees them.

    While the object store is down, the others go all the same, and then this raises.
    """
    with suppress(*media_services.Unreachable):
        yield from media()
    yield from others()
    yield from media()


def remove_owned_by_account(*, user_id: int) -> Iterator[Removed]:
    """Remove what an account owns, in rounds until one finds nothing: requests may still write."""
    is_clean = False
    while not is_clean:
        is_clean = True
        for removed in _one_round(user_id):
            is_clean = False
            yield removed


def _one_round(user_id: int) -> Iterator[Removed]:
    """Each part finds by itself what is left to remove."""

    def media() -> Iterator[Removed]:
        return repeated(
            "media", media_services.remove_media_of_owner, owner_id=user_id, is_slow=True
        )

    return _public_first(media, lambda: _others_of_account(user_id))


def _others_of_account(user_id: int) -> Iterator[Removed]:
    if ended := user_services.end_all_sessions(user_id=user_id):
        yield "sessions", ended
    yield from _posts(user_id)
    yield from repeated("waiting posts", post_services.remove_waiting_posts, author_id=user_id)
    yield from repeated("likes", post_services.remove_likes_by_user, user_id=user_id)
    while gone := comment_services.remove_comments_by_user(
        user_id=user_id, limit=batches.SMALL_STEP
    ):
        yield "comments", len(gone)
        yield from comment_services.remove_dependents(comment_ids=gone)
    yield from repeated("comment likes", comment_services.remove_likes_by_user, user_id=user_id)
    comment_services.forget_rules(author_id=user_id)
    yield from repeated("follows", graph_services.remove_follows_of_user, user_id=user_id)
    yield from repeated("relations", graph_services.remove_relations_of_user, user_id=user_id)
    # They store answers that show what the account has made.
    yield from repeated("keys", idempotency_keys.remove_keys_of, user_id=user_id)


def _posts(author_id: int) -> Iterator[Removed]:
    """The posts and their dependents. After a kill, the posts' own deliveries remove the rest."""
    while refs := post_selectors.post_refs(
        author_ids=[author_id], before=None, limit=batches.SMALL_STEP
    ):
        ids = [post_id for post_id, _ in refs]
        yield "posts", post_services.delete_posts_of_author(author_id=author_id, post_ids=ids)
        yield from post_services.remove_dependents(post_ids=ids)
        for id_ in ids:
            yield from comment_services.remove_all_on_post(post_id=id_)
    post_services.forget_post_count(author_id=author_id)


def drop_cached_account(*, user_id: int) -> None:
    """Drop the cache entries of a removed account. CACHE down: raises."""
    timeline_services.drop_timelines(timelines=timelines_of(user_id=user_id))
    graph_services.drop_cached_user(user_id=user_id)
    post_services.drop_cached_user(user_id=user_id)
    user_services.refresh_documents(user_ids=[user_id])
