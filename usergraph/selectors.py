"""Reads of the follower graph."""

import logging
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings
from django.db import connections, router
from django.db.models import Exists, OuterRef

from core.counters import counts, made_by
from core.likes import LikersCursor, Likes, first_likers, likers
from core.sql import insert_lsn, primary_reads
from core.valkey import ValkeyUnavailable
from usergraph import related, store, suggestions, visibility
from usergraph.models import Block, CloseFriend, Follow, Mute, PulledAuthor
from usergraph.related import newest

logger = logging.getLogger(__name__)

# The followers' home timelines hold no posts of an author in these states: readers pull them.
_PULLED_WHEN_READ = (PulledAuthor.State.ENTERING.value, PulledAuthor.State.PULLED.value)
# Without muted accounts: their posts are neither pushed nor pulled.
_FOLLOWED_SQL = """
SELECT follow.followee_id, account.is_active, EXISTS (
    SELECT FROM usergraph_pulledauthor AS pulled
    WHERE pulled.author_id = follow.followee_id AND pulled.state = ANY(%s)
)
FROM usergraph_follow AS follow
JOIN users_user AS account ON account.id = follow.followee_id
WHERE follow.follower_id = %s AND NOT EXISTS (
    SELECT FROM usergraph_mute AS mute
    WHERE mute.muter_id = follow.follower_id AND mute.muted_id = follow.followee_id
)
"""


def follower_id_batches(*, author_id: int, after: int = 0, size: int) -> Iterator[list[int]]:
    """The ids of the followers above `after` into whose home timelines an author's posts belong:
    those who do not mute the author. In id order, `size` at a time.

    From CACHE in one round trip; a miss loads them from SQL, if there are at most
    `FANOUT_PUSH_LIMIT`. If there are more, or CACHE is down: from SQL, one query a batch.
    """
    cached = _cached_followers(author_id)
    if cached is not None:
        for start in range(bisect_right(cached, after), len(cached), size):
            yield cached[start : start + size]
        return
    while ids := _follower_ids_in_sql(author_id, after, size):
        yield ids
        after = ids[-1]


def _cached_followers(author_id: int) -> list[int] | None:
    """All follower ids, through CACHE; None if they are too many, or CACHE is down."""
    try:
        cached = store.read_followers(author_id=author_id)
        if cached is not None:
            return cached
        lease = store.take_fill_lease(author_id=author_id)
        ids = _follower_ids_in_sql(author_id, 0, settings.FANOUT_PUSH_LIMIT + 1)
        if len(ids) > settings.FANOUT_PUSH_LIMIT:
            return None
        store.store_followers(author_id=author_id, lease=lease, follower_ids=ids)
        return ids
    except ValkeyUnavailable:
        logger.exception("CACHE is down: the followers of %s come from SQL", author_id)
        return None


def _follower_ids_in_sql(author_id: int, after: int, limit: int) -> list[int]:
    with primary_reads():
        muting = Mute.objects.filter(muted_id=author_id, muter_id=OuterRef("follower_id"))
        edges = Follow.objects.filter(~Exists(muting), followee_id=author_id, follower_id__gt=after)
        return list(edges.order_by("follower_id").values_list("follower_id", flat=True)[:limit])


@dataclass(frozen=True)
class FollowedAuthors:
    """Whom a viewer follows and does not mute, by the way in which their posts reach the viewer.

    `pushed`: into the viewer's home timeline. `pulled`: from the author's own timeline. `inactive`:
    those among them whose accounts are deactivated.
    """

    pushed: list[int]
    pulled: list[int]
    inactive: frozenset[int]

    def active(self) -> list[int]:
        """Those whose accounts are active."""
        return [id_ for id_ in (*self.pushed, *self.pulled) if id_ not in self.inactive]


def followed_authors(*, viewer_id: int) -> FollowedAuthors:
    """Whom a viewer follows and does not mute, from the primary; one query."""
    # Raw SQL: the ORM would double the cost of a page past the cap, and of a build.
    with primary_reads(), connections[router.db_for_read(Follow)].cursor() as cursor:
        cursor.execute(_FOLLOWED_SQL, [list(_PULLED_WHEN_READ), viewer_id])
        rows = cursor.fetchall()
    return FollowedAuthors(
        pushed=[id_ for id_, _, is_pulled in rows if not is_pulled],
        pulled=[id_ for id_, _, is_pulled in rows if is_pulled],
        inactive=frozenset(id_ for id_, is_active, _ in rows if not is_active),
    )


def settled_pulled_authors(*, author_ids: Collection[int]) -> set[int]:
    """The pulled ones among some authors, without those who are still `entering`.

    Every home timeline pulls these. One that was built before an author was `entering` may not pull
    that author yet. One query, or none for no authors.
    """
    settled = PulledAuthor.objects.filter(author_id__in=author_ids, state=PulledAuthor.State.PULLED)
    with primary_reads():
        return set(settled.values_list("author_id", flat=True))


def graph_lsn() -> int:
    """The end of the log of the `default` database, with its timeline (`core.sql.wal`); one query.

    Every change of the graph increases it, and every failover. Take it before you read the graph:
    of two reads, the one with the greater LSN is the later, also between processes. Primary down:
    what its replica has replayed.
    """
    with primary_reads():
        return insert_lsn(router.db_for_read(Follow))


def follower_count(*, author_id: int, at_most: int) -> int:
    """The number of an author's followers, or `at_most` if there are more."""
    with primary_reads():
        return Follow.objects.filter(followee_id=author_id)[:at_most].count()


def is_surely_pushed(*, author_id: int, limit: int) -> bool:
    """Whether an author is pushed, and has between 1 and `limit` followers who do not mute them.

    Uses their cached number, which may lag behind follows that are not delivered yet. That
    does no harm: such a follow drops the follower's home timeline when it is delivered. False means
    unknown: ask SQL.
    """
    try:
        followers = store.count_followers(author_id=author_id)
    except ValkeyUnavailable:
        logger.exception("CACHE is down: the followers of %s are counted in SQL", author_id)
        return False
    if not 0 < followers <= limit:
        return False
    with primary_reads():
        return not PulledAuthor.objects.filter(author_id=author_id).exists()


@dataclass(frozen=True)
class Edge:
    """The relation of a viewer to an author, for staff."""

    followed_since: datetime | None
    is_blocked: bool  # in either direction
    is_muted: bool
    is_close_friend: bool  # the viewer, of the author
    author_state: str  # "pushed", or a state of `PulledAuthor`


def edge(*, viewer_id: int, author_id: int) -> Edge:
    """The relation of a viewer to an author, from the primary; five queries."""
    pair = {viewer_id, author_id}
    with primary_reads():
        follow = Follow.objects.filter(follower_id=viewer_id, followee_id=author_id).first()
        pulled = PulledAuthor.objects.filter(author_id=author_id).first()
        is_blocked = Block.objects.filter(blocker_id__in=pair, blocked_id__in=pair).exists()
        is_muted = Mute.objects.filter(muter_id=viewer_id, muted_id=author_id).exists()
        friends = CloseFriend.objects.filter(owner_id=author_id, member_id=viewer_id)
        is_close_friend = friends.exists()
    return Edge(
        followed_since=follow.created_at if follow else None,
        is_blocked=is_blocked,
        is_muted=is_muted,
        is_close_friend=is_close_friend,
        author_state=pulled.state if pulled else "pushed",
    )


@dataclass(frozen=True)
class Standing:
    """How an author stands to somebody who comments on the author's post."""

    follows: bool
    is_followed: bool
    restricts: bool


_STANDING_SQL = """
SELECT
    EXISTS (
        SELECT FROM usergraph_follow
        WHERE follower_id = %(author_id)s AND followee_id = %(user_id)s
    ),
    EXISTS (
        SELECT FROM usergraph_follow
        WHERE follower_id = %(user_id)s AND followee_id = %(author_id)s
    ),
    EXISTS (
        SELECT FROM usergraph_restriction
        WHERE owner_id = %(author_id)s AND member_id = %(user_id)s
    )
"""


def standing(*, author_id: int, user_id: int) -> Standing:
    """How an author stands to a user, from the primary; one query."""
    with primary_reads(), connections[router.db_for_read(Follow)].cursor() as cursor:
        cursor.execute(_STANDING_SQL, {"author_id": author_id, "user_id": user_id})
        return Standing(*cursor.fetchone())


def followed_ids(*, viewer_id: int) -> list[int]:
    """The ids of all accounts that a viewer follows; one query."""
    return list(Follow.objects.filter(follower_id=viewer_id).values_list("followee_id", flat=True))


def followers(*, user_id: int, after: int | None, limit: int) -> list[tuple[int, int]]:
    """Up to `limit` active followers of a user as (user id, edge id), newest edge first.

    `after`: the last edge before.
    """
    edges = Follow.objects.filter(followee_id=user_id, follower__is_active=True)
    return newest(edges, "follower_id", after=after, limit=limit)


def following(*, user_id: int, after: int | None, limit: int) -> list[tuple[int, int]]:
    """The active users whom a user follows, as `followers` does."""
    edges = Follow.objects.filter(follower_id=user_id, followee__is_active=True)
    return newest(edges, "followee_id", after=after, limit=limit)


def likers_page(
    *, likes: Likes, subject_id: int, viewer_id: int, after: str | None, limit: int
) -> tuple[list[orjson.Fragment], str | None]:
    """Those who like something and whom the viewer may see: first those whom the viewer follows,
    as of the first page and up to `core.likes.FIRST_LIMIT`; then others, newest first.

    Also returns the cursor of the next page, None at the end.
    """
    if after is None:
        position, followed = None, followed_ids(viewer_id=viewer_id)
        first: Sequence[int] = first_likers(likes=likes, subject_id=subject_id, among=followed)
    else:
        cursor = LikersCursor.decode(after)
        position, first = cursor.position, cursor.first

    def read(after: int | None, limit: int) -> list[tuple[int, int]]:
        return likers(likes=likes, subject_id=subject_id, first=first, after=after, limit=limit)

    page, last = visibility.visible_page(
        viewer_id=viewer_id, read=read, after=position, limit=limit
    )
    return page, None if last is None else LikersCursor(last, first).encode()


def graph_counts(*, user_id: int) -> dict[str, int]:
    """How many follow a user, and how many the user follows; one query."""
    subjects = [user_id, made_by(user_id)]
    found = counts(database=router.db_for_read(Follow), subject_ids=subjects)
    followers, following = (max(0, found[subject]) for subject in subjects)
    return {"followers": followers, "following": following}


def profile_part(user_id: int, viewer_id: int) -> dict[str, dict[str, Any]]:
    """What User Graph adds to a profile."""
    return {
        "counts": graph_counts(user_id=user_id),
        "known_followers": suggestions.known_followers(user_id=user_id, viewer_id=viewer_id),
        "viewer": related.relations(viewer_id=viewer_id, user_ids=[user_id])[user_id],
    }
