"""Blocks: of two people of whom one blocks the other, neither sees the other.

Who is hidden from a viewer is a cached value (`usergraph.related`). The request that changes a
block (`services.block_user`) refreshes it for both. If that fails, because CACHE cannot be reached,
a worker tries again every few seconds.
"""

from datetime import datetime

from usergraph.models import Block
from usergraph.related import newest


def blocked_users(
    *, blocker_id: int, after: int | None, limit: int
) -> list[tuple[int, int, datetime]]:
    """Up to `limit` active users whom a user blocks, newest first: (user id, block id, since).

    `after`: the last block before.
    """
    blocks = Block.objects.filter(blocker_id=blocker_id, blocked__is_active=True)
    return newest(blocks, "blocked_id", "created_at", after=after, limit=limit)
