"""Reads of the follower graph."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connections, router
from django.db.models import QuerySet

from core.sql import primary_reads
from core.valkey import ValkeyUnavailable
from usergraph import store
from usergraph.models import Follow, PulledAuthor

logger = logging.getLogger(__name__)

# Offered to Post Info, which reads them in one round trip with copies of its own.
FOLLOWED = store.FOLLOWED
unpack_followed = store.unpack_followed

# Of an author in these states the followers' home timelines hold no posts, but pull them.
_PULLED_WHEN_READ = (PulledAuthor.State.ENTERING.value, PulledAuthor.State.PULLED.value)
_FOLLOWED_SQL = """
SELECT follow.followee_id, account.is_active, EXISTS (
    SELECT FROM usergraph_pulledauthor AS pulled
    WHERE pulled.author_id = follow.followee_id AND pulled.state = ANY(%s)
)
FROM usergraph_follow AS follow
JOIN users_user AS account ON account.id = follow.followee_id
WHERE follow.follower_id = %s
"""


def follower_id_batches(*, author_id: int, after: int = 0, size: int) -> Iterator[list[int]]:
    """The ids of an author's followers above `after`, in id order, `size` at a time.

    From Valkey, all in one round trip; loaded from SQL on a miss, when there are not more than
    `FANOUT_PUSH_LIMIT`; else, and when Valkey is down, straight from SQL, a query a batch.
    """
    kept = _kept_followers(author_id)
    if kept is not None:
        for start in range(bisect_right(kept, after), len(kept), size):
            yield kept[start : start + size]
        return
    while ids := _follower_ids_in_sql(author_id, after, size):
        yield ids
        after = ids[-1]


def _kept_followers(author_id: int) -> list[int] | None:
    """All follower ids, as Valkey keeps them; None when they are too many, or it is down."""
    try:
        kept = store.read_followers(author_id=author_id)
        return _load_followers(author_id) if kept is None else kept
    except ValkeyUnavailable:
        logger.exception("CACHE is down: the followers of %s come from SQL", author_id)
        return None


def _load_followers(author_id: int) -> list[int] | None:
    token = store.begin_loading(author_id=author_id)
    ids = _follower_ids_in_sql(author_id, 0, settings.FANOUT_PUSH_LIMIT + 1)
    if len(ids) > settings.FANOUT_PUSH_LIMIT:
        return None
    store.keep_followers(author_id=author_id, token=token, follower_ids=ids)
    return ids


def _follower_ids_in_sql(author_id: int, after: int, limit: int) -> list[int]:
    with primary_reads():
        edges = Follow.objects.filter(followee_id=author_id, follower_id__gt=after)
        return list(edges.order_by("follower_id").values_list("follower_id", flat=True)[:limit])


@dataclass(frozen=True)
class FollowedAuthors:
    """Whom a viewer follows, by how their posts come to the viewer, and whom not to show.

    `inactive`: those followed whose accounts are switched off. `hidden`: see `hidden_author_ids`.
    """

    pushed: list[int]
    pulled: list[int]
    inactive: frozenset[int]
    hidden: frozenset[int]

    def visible(self) -> list[int]:
        """Those whose posts are to be shown now."""
        left_out = self.inactive | self.hidden
        return [id_ for id_ in (*self.pushed, *self.pulled) if id_ not in left_out]


def followed_authors(*, viewer_id: int) -> FollowedAuthors:
    """Whom a viewer follows, from the primary; one query."""
    # By hand: a page past the cap and a build ask this, and the ORM would double their cost.
    with primary_reads(), connections[router.db_for_read(Follow)].cursor() as cursor:
        cursor.execute(_FOLLOWED_SQL, [list(_PULLED_WHEN_READ), viewer_id])
        rows = cursor.fetchall()
    return FollowedAuthors(
        pushed=[id_ for id_, _, is_pulled in rows if not is_pulled],
        pulled=[id_ for id_, _, is_pulled in rows if is_pulled],
        inactive=frozenset(id_ for id_, is_active, _ in rows if not is_active),
        hidden=hidden_author_ids(viewer_id=viewer_id),
    )


def settled_pulled_authors(*, author_ids: Collection[int]) -> set[int]:
    """Those of some authors whom every home timeline built before has been dropped for.

    Such a timeline pulls them; while an author is still `entering`, it need not. One query, or
    none for nobody.
    """
    if not author_ids:
        return set()
    settled = PulledAuthor.objects.filter(author_id__in=author_ids, state=PulledAuthor.State.PULLED)
    with primary_reads():
        return set(settled.values_list("author_id", flat=True))


def hidden_author_ids(*, viewer_id: int) -> frozenset[int]:
    """Whose posts a viewer must not see though they may be in the viewer's home timeline.

    The one place for it. Nobody yet: blocks and mutes will be. Who changes the answer announces
    it, as a follow does, so that the home timeline, which remembers it, is dropped.
    """
    return frozenset()


# On a replica, which does while the primary is down, how much of the log it shows.
_POSITION_SQL = """
SELECT (
    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END
    - '0/0'
)::bigint
"""


def graph_position() -> int:
    """How far the users database's log has come, in bytes: it grows with every change in there.

    Tells which of two looks at the graph came first, whatever process or clock they were on.
    """
    with primary_reads(), connections[router.db_for_read(Follow)].cursor() as cursor:
        cursor.execute(_POSITION_SQL)
        position: int = cursor.fetchone()[0]
    return position


def follower_count(*, author_id: int, at_most: int) -> int:
    """How many followers an author has, counted to `at_most` and no further."""
    with primary_reads():
        return Follow.objects.filter(followee_id=author_id)[:at_most].count()


def are_few_and_pushed(*, author_id: int, limit: int) -> bool:
    """Whether an author is pushed to followers who are kept in Valkey, and not above `limit`.

    As of the last change of the graph that was delivered: who is told that they are few when they
    are no more pushes once more, and whose follow is delivered later has a timeline that is built
    anew. False says nothing: they are too many, or none, or not kept, and SQL has to be asked.
    """
    try:
        kept = store.count_followers(author_id=author_id)
    except ValkeyUnavailable:
        logger.exception("CACHE is down: the followers of %s are counted in SQL", author_id)
        return False
    if not 0 < kept <= limit:
        return False
    with primary_reads():
        return not PulledAuthor.objects.filter(author_id=author_id).exists()


@dataclass(frozen=True)
class Edge:
    """How a viewer and an author stand to each other, for staff."""

    followed_since: datetime | None
    author_is_hidden: bool
    author_state: str  # "pushed", or a state of `PulledAuthor`


def edge(*, viewer_id: int, author_id: int) -> Edge:
    """How a viewer and an author stand to each other now."""
    with primary_reads():
        follow = Follow.objects.filter(follower_id=viewer_id, followee_id=author_id).first()
        pulled = PulledAuthor.objects.filter(author_id=author_id).first()
    return Edge(
        followed_since=follow.created_at if follow else None,
        author_is_hidden=author_id in hidden_author_ids(viewer_id=viewer_id),
        author_state=pulled.state if pulled else "pushed",
    )


def followed_ids(*, viewer_id: int) -> list[int]:
    """Ids of all accounts that a viewer follows; one query."""
    return list(Follow.objects.filter(follower_id=viewer_id).values_list("followee_id", flat=True))


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
