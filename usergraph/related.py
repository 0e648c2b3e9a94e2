"""How a viewer and other users stand to each other.

What decides whom the viewer may see, `RelatedPeople`, is up to a limit a cached value, as the
primary tells it; while the primary is down, its replica. Beyond the limit, SQL answers for the
users of one page. What only buttons show, `relations`, is read from SQL.
"""

from collections.abc import Collection
from typing import Any, ClassVar

from django.db import connections, router
from django.db.models import QuerySet

from core.cached_values import CachedValue
from core.sql import primary_reads
from usergraph import store
from usergraph.models import Follow
from usergraph.store import IdSet

_RELATIONS_SQL = """
SELECT asked.id,
    EXISTS (
        SELECT FROM usergraph_follow
        WHERE follower_id = %(viewer_id)s AND followee_id = asked.id
    ),
    EXISTS (
        SELECT FROM usergraph_follow
        WHERE follower_id = asked.id AND followee_id = %(viewer_id)s
    ),
    EXISTS (
        SELECT FROM usergraph_followrequest
        WHERE follower_id = %(viewer_id)s AND followee_id = asked.id
    ),
    EXISTS (
        SELECT FROM usergraph_mute WHERE muter_id = %(viewer_id)s AND muted_id = asked.id
    ),
    EXISTS (
        SELECT FROM usergraph_closefriend
        WHERE owner_id = %(viewer_id)s AND member_id = asked.id
    ),
    EXISTS (
        SELECT FROM usergraph_restriction
        WHERE owner_id = %(viewer_id)s AND member_id = asked.id
    )
FROM unnest(%(user_ids)s::bigint[]) AS asked (id)
"""


class RelatedPeople:
    """Those in one relation to a viewer. Each subclass is a relation."""

    kind: ClassVar[CachedValue[IdSet]]
    among_sql: ClassVar[str]

    def __init__(self, viewer_id: int, cached: IdSet) -> None:
        self.viewer_id, self._cached = viewer_id, cached

    @property
    def listed(self) -> frozenset[int]:
        """Their ids, for SQL to leave out or to prefer; none if they are too many to be cached."""
        return self._cached.ids

    def among(self, user_ids: Collection[int]) -> Collection[int]:
        """Those of some users who stand in the relation; perhaps with others who do, too.

        A query on the primary, if they are too many to be cached.
        """
        if self._cached.is_whole:
            return self._cached.ids
        parameters: dict[str, Any] = {"viewer_id": self.viewer_id, "among": list(user_ids)}
        with primary_reads(), connections["default"].cursor() as cursor:
            cursor.execute(self.among_sql, parameters)
            return {user_id for (user_id,) in cursor.fetchall()}


class FollowedPeople(RelatedPeople):
    """Those whom a viewer follows."""

    kind = store.FOLLOWED
    among_sql = """
    SELECT followee_id FROM usergraph_follow
    WHERE follower_id = %(viewer_id)s AND followee_id = ANY(%(among)s)
    """


class HiddenPeople(RelatedPeople):
    """Those who are hidden from a viewer by blocks: whoever of the two blocks the other."""

    kind = store.HIDDEN
    among_sql = """
    SELECT blocked_id FROM usergraph_block
    WHERE blocker_id = %(viewer_id)s AND blocked_id = ANY(%(among)s)
    UNION
    SELECT blocker_id FROM usergraph_block
    WHERE blocked_id = %(viewer_id)s AND blocker_id = ANY(%(among)s)
    """


class FriendlyPeople(RelatedPeople):
    """Those who have a viewer among their close friends."""

    kind = store.FRIENDLY
    among_sql = """
    SELECT owner_id FROM usergraph_closefriend
    WHERE member_id = %(viewer_id)s AND owner_id = ANY(%(among)s)
    """


def hidden_people(*, viewer_id: int) -> HiddenPeople:
    """Who is hidden from a viewer; warm, one round trip and no SQL."""
    return HiddenPeople(viewer_id, store.HIDDEN.get([viewer_id])[viewer_id])


def relations(*, viewer_id: int, user_ids: Collection[int]) -> dict[int, dict[str, bool]]:
    """What `viewer` says of each of some users; one query, or none for no users.

    {"following", "followed_by", "requested", "muting", "close_friend", "restricting"}
    """
    if not user_ids:
        return {}
    members = ("following", "followed_by", "requested", "muting", "close_friend", "restricting")
    parameters: dict[str, Any] = {"viewer_id": viewer_id, "user_ids": list(user_ids)}
    with connections[router.db_for_read(Follow)].cursor() as cursor:
        cursor.execute(_RELATIONS_SQL, parameters)
        rows = cursor.fetchall()
    return {user_id: dict(zip(members, values, strict=True)) for user_id, *values in rows}


def newest(
    rows: QuerySet[Any], user: str, *more: str, after: int | None, limit: int
) -> list[tuple[Any, ...]]:
    """Up to `limit` rows that relate users, newest first: the column `user`, the row's id, and more
    columns. `after`: the id of the last row before.
    """
    if after is not None:
        rows = rows.filter(pk__lt=after)
    return list(rows.order_by("-pk").values_list(user, "pk", *more)[:limit])
