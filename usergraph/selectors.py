"""Reads of the follower graph."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from socialfeed.common.consistency import primary_reads
from socialfeed.common.valkey import ValkeyUnavailable
from usergraph import store
from usergraph.models import Follow

logger = logging.getLogger(__name__)


def follower_id_batches(*, author_id: int, after: int = 0, size: int) -> Iterator[list[int]]:
    """The ids of an author's followers above `after`, in id order, `size` at a time.

    From Valkey, a round trip a batch; loaded from SQL on a miss, when there are not more than
    `FOLLOWERS_CACHE_LIMIT`; else, and when Valkey is down, straight from SQL, a query a batch.
    """
    last = False
    while not last:
        ids, last = _follower_ids(author_id, after, size)
        if ids:
            yield ids
            after = ids[-1]


def _follower_ids(author_id: int, after: int, size: int) -> tuple[list[int], bool]:
    try:
        kept = store.read_followers(author_id=author_id, after=after, limit=size)
        if kept is not None:
            return kept
        if after == 0:
            loaded = _load_followers(author_id)
            if loaded is not None:
                return loaded[:size], len(loaded) <= size
    except ValkeyUnavailable:
        logger.exception("CACHE is down: the followers of %s come from SQL", author_id)
    ids = _follower_ids_in_sql(author_id, after, size + 1)
    return ids[:size], len(ids) <= size


def _load_followers(author_id: int) -> list[int] | None:
    """All follower ids, now kept in Valkey; None when they are too many to keep."""
    token = store.begin_loading(author_id=author_id)
    ids = _follower_ids_in_sql(author_id, 0, settings.FOLLOWERS_CACHE_LIMIT + 1)
    if len(ids) > settings.FOLLOWERS_CACHE_LIMIT:
        return None
    store.keep_followers(author_id=author_id, token=token, follower_ids=ids)
    return ids


def _follower_ids_in_sql(author_id: int, after: int, limit: int) -> list[int]:
    with primary_reads():
        edges = Follow.objects.filter(followee_id=author_id, follower_id__gt=after)
        return list(edges.order_by("follower_id").values_list("follower_id", flat=True)[:limit])


def followee_ids(*, follower_id: int) -> list[int]:
    """Everybody whom a user follows."""
    edges = Follow.objects.filter(follower_id=follower_id)
    return list(edges.values_list("followee_id", flat=True))


def is_following(*, follower_id: int, followee_id: int) -> bool:
    """Whether one user follows another."""
    return Follow.objects.filter(follower_id=follower_id, followee_id=followee_id).exists()


def followers_page(*, user_id: int, after: int | None, limit: int) -> tuple[list[int], int | None]:
    """Ids of a user's active followers, newest edge first; and where to go on, or None."""
    edges = Follow.objects.filter(followee_id=user_id, follower__is_active=True)
    return _page(edges, "follower_id", after, limit)


def following_page(*, user_id: int, after: int | None, limit: int) -> tuple[list[int], int | None]:
    """Ids of the active users whom a user follows, likewise."""
    edges = Follow.objects.filter(follower_id=user_id, followee__is_active=True)
    return _page(edges, "followee_id", after, limit)


def _page(
    edges: QuerySet[Follow], column: str, after: int | None, limit: int
) -> tuple[list[int], int | None]:
    if after is not None:
        edges = edges.filter(pk__lt=after)
    rows = list(edges.order_by("-pk").values_list("pk", column)[: limit + 1])
    return [other for _, other in rows[:limit]], rows[limit - 1][0] if len(rows) > limit else None


def profile_part(user_id: int, viewer_id: int | None) -> dict[str, dict[str, Any]]:
    """What User Graph adds to a profile."""
    return {
        "counts": {
            "followers": Follow.objects.filter(followee_id=user_id).count(),
            "following": Follow.objects.filter(follower_id=user_id).count(),
        },
        "viewer": {
            "following": viewer_id is not None
            and is_following(follower_id=viewer_id, followee_id=user_id)
        },
    }
