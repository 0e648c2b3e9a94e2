"""Who is hidden from a viewer by blocks: of two people, if one blocks the other, neither sees the
other.

It is a cached value, as the primary tells it; while the primary is down, its replica. The request
that changes a block (`services.block_user`) refreshes it for both. If that fails, because CACHE
cannot be reached, a worker tries again every few seconds.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import connections

from core.sql import primary_reads
from usergraph import store
from usergraph.models import Block
from usergraph.store import Hidden

_AMONG_SQL = """
SELECT blocked_id FROM usergraph_block
WHERE blocker_id = %(viewer_id)s AND blocked_id = ANY(%(among)s)
UNION
SELECT blocker_id FROM usergraph_block
WHERE blocked_id = %(viewer_id)s AND blocker_id = ANY(%(among)s)
"""


class HiddenPeople:
    """Those who are hidden from a viewer by blocks, in either direction."""

    def __init__(self, viewer_id: int, cached: Hidden) -> None:
        self.viewer_id, self._cached = viewer_id, cached

    @property
    def listed(self) -> Collection[int]:
        """Their ids, for SQL to leave out; none if they are too many to be cached."""
        return self._cached.ids

    def among(self, user_ids: Collection[int]) -> Collection[int]:
        """Ids that have in them those of some users who are hidden.

        A query on the primary, if they are too many to be cached.
        """
        if self._cached.is_whole:
            return self._cached.ids
        parameters: dict[str, Any] = {"viewer_id": self.viewer_id, "among": list(user_ids)}
        with primary_reads(), connections["default"].cursor() as cursor:
            cursor.execute(_AMONG_SQL, parameters)
            return {user_id for (user_id,) in cursor.fetchall()}


def hidden_people(*, viewer_id: int) -> HiddenPeople:
    """Who is hidden from a viewer; warm, one round trip and no SQL."""
    return HiddenPeople(viewer_id, store.HIDDEN.get([viewer_id])[viewer_id])


def blocked_users(
    *, blocker_id: int, after: int | None, limit: int
) -> list[tuple[int, int, datetime]]:
    """Up to `limit` active users whom a user blocks, newest first: (user id, block id, since).

    `after`: the last block before.
    """
    blocks = Block.objects.filter(blocker_id=blocker_id, blocked__is_active=True)
    if after is not None:
        blocks = blocks.filter(pk__lt=after)
    return list(blocks.order_by("-pk").values_list("blocked_id", "pk", "created_at")[:limit])
