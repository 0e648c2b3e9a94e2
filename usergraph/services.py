"""Writes of the follower graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.conf import settings
from django.db import IntegrityError, transaction

from socialfeed.common.problems import Conflict, Invalid, NotFound
from usergraph import store
from usergraph.events import FollowChanged, follow_changed
from usergraph.models import Follow


def follow_user(*, follower_id: int, followee_id: int) -> bool:
    """Make one user follow another; returns False when they already did.

    Raises `Invalid` on oneself, `Conflict` over `FOLLOWING_LIMIT`, `NotFound` when either
    account is gone.
    """
    if follower_id == followee_id:
        raise Invalid("You cannot follow yourself.", code="oneself")
    try:
        with transaction.atomic(using="default"):
            following = Follow.objects.filter(follower_id=follower_id)
            if following.filter(followee_id=followee_id).exists():
                return False
            if following.count() >= settings.FOLLOWING_LIMIT:
                raise Conflict(
                    f"You follow {settings.FOLLOWING_LIMIT} accounts already, which is the limit. "
                    "Unfollow some first.",
                    code="following_limit",
                )
            edge = Follow(follower_id=follower_id, followee_id=followee_id)
            Follow.objects.bulk_create([edge], ignore_conflicts=True)
            follow_changed.announce(FollowChanged(follower_id, followee_id))
    except IntegrityError as error:
        raise NotFound("This account does not exist any more.") from error
    return True


def unfollow_user(*, follower_id: int, followee_id: int) -> bool:
    """Make one user cease to follow another; returns False when they did not follow."""
    with transaction.atomic(using="default"):
        deleted, _ = Follow.objects.filter(
            follower_id=follower_id, followee_id=followee_id
        ).delete()
        if deleted:
            follow_changed.announce(FollowChanged(follower_id, followee_id))
    return bool(deleted)


def forget_followers(*, author_ids: Iterable[int]) -> None:
    """Drop the cached followers of authors; the next fan-out loads them from SQL."""
    store.drop_followers(author_ids=author_ids)


def import_follows(*, edges: Iterable[Sequence[int]], batch_size: int = 5000) -> Iterable[int]:
    """Bulk: insert (follower_id, followee_id) pairs; yields the size of each batch.

    Existing edges are skipped. Announces nothing and drops no home timeline: the
    importer does that, once, at the end.
    """
    batch: list[Follow] = []
    for follower_id, followee_id in edges:
        batch.append(Follow(follower_id=follower_id, followee_id=followee_id))
        if len(batch) == batch_size:
            yield _insert(batch)
            batch = []
    if batch:
        yield _insert(batch)


def _insert(batch: list[Follow]) -> int:
    Follow.objects.bulk_create(batch, ignore_conflicts=True)
    forget_followers(author_ids={edge.followee_id for edge in batch})
    return len(batch)
