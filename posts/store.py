"""Posts that have just been deleted, in the CACHE Valkey: a replica may still have them.

CACHE down: a replica's answer is taken as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from posts.keys import DELETED_TTL, deleted_key
from socialfeed.common.valkey import ValkeyUnavailable, cache_valkey

logger = logging.getLogger(__name__)


def note_deleted(*, post_id: int) -> None:
    """Say that a post is gone, to whoever reads it from a replica."""
    cache_valkey().set(deleted_key(post_id), 1, ex=DELETED_TTL)


def deleted_among(*, post_ids: Collection[int]) -> set[int]:
    """Those posts that have just been deleted; one round trip."""
    pipeline = cache_valkey().pipeline(transaction=False)
    for post_id in post_ids:
        pipeline.exists(deleted_key(post_id))
    try:
        answers = pipeline.execute()
    except ValkeyUnavailable:
        logger.exception("CACHE is down: a deleted post may be shown once more")
        return set()
    return {post_id for post_id, is_deleted in zip(post_ids, answers, strict=True) if is_deleted}
