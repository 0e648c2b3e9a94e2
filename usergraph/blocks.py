"""Who is hidden from a viewer by blocks: of two people, if one blocks the other, neither sees the
other.

It is a cached value, as the primary tells it. The request that changes a block
(`services.block_user`) refreshes it for both. If CACHE does not answer then, a worker does it once
CACHE is back; until then readers, too, read SQL.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from django.db import connections

from core.sql import primary_reads
from usergraph import store
from usergraph.models import Block
from usergraph.store import Hidden

_HIDDEN_AMONG_SQL = """
SELECT blocked_id FROM usergraph_block
WHERE blocker_id = %(viewer_id)s AND (%(all)s OR blocked_id = ANY(%(among)s))
UNION
SELECT blocker_id FROM usergraph_block
WHERE blocked_id = %(viewer_id)s AND (%(all)s OR blocker_id = ANY(%(among)s))
"""


class HiddenPeople(Collection[int]):
    """The ids of those who are hidden from a viewer by blocks, in either direction.

    If they are too many to be cached, each question is a query on the primary.
    """

    def __init__(self, viewer_id: int, cached: Hidden) -> None:
        self.viewer_id, self._cached = viewer_id, cached

    def __contains__(self, user_id: object) -> bool:
        return isinstance(user_id, int) and user_id in self.among([user_id])

    def __iter__(self) -> Iterator[int]:
        return iter(self._cached.ids if self._cached.is_whole else self._in_sql(None))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def among(self, user_ids: Collection[int]) -> Collection[int]:
        """Ids that have in them those of some users who are hidden."""
        return self._cached.ids if self._cached.is_whole else self._in_sql(user_ids)

    def _in_sql(self, among: Collection[int] | None) -> set[int]:
        parameters: dict[str, Any] = {
            "viewer_id": self.viewer_id,
            "all": among is None,
            "among": list(among or ()),
        }
        with primary_reads(), connections["default"].cursor() as cursor:
            cursor.execute(_HIDDEN_AMONG_SQL, parameters)
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
