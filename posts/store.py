"""Post Info's cached values (`core.cached_values`): records of posts, and which a user likes."""

import struct
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from django.db import connections, router

from core.cached_values import VERSION_SQL, CacheBatch, CachedValue, Versioned
from core.sql import primary_reads
from posts.keys import LIKED_TTL, RECORD_TTL, SLOTS, liked_key, record_key
from posts.models import Like
from posts.records import Record, load_records
from usergraph.visibility import Viewpoint, add_viewpoint

# How many of the newest posts that a user likes are cached. SQL answers for older ones.
LIKED_LIMIT = 500

_LIKED_SQL = f"""
SELECT asked.id, {VERSION_SQL}, ARRAY(
    SELECT subject_id FROM posts_like
    WHERE user_id = asked.id ORDER BY subject_id DESC LIMIT {LIKED_LIMIT}
)
FROM unnest(%s::bigint[]) AS asked (id)
"""  # noqa: S608  (a constant)
_LIKED_AMONG_SQL = """
SELECT subject_id FROM posts_like WHERE user_id = %s AND subject_id = ANY(%s)
"""


def _load_liked(user_ids: Sequence[int]) -> dict[int, Versioned[tuple[int, ...]]]:
    with connections[router.db_for_read(Like)].cursor() as cursor:
        cursor.execute(_LIKED_SQL, [list(user_ids)])
        return {user_id: (version, tuple(ids)) for user_id, version, ids in cursor.fetchall()}


def _encode_liked(post_ids: tuple[int, ...]) -> bytes:
    # One byte before the ids: an empty string stands for a user who does not exist.
    return struct.pack(f">x{len(post_ids)}q", *post_ids)


def _decode_liked(packed: bytes) -> tuple[int, ...]:
    return struct.unpack(f">x{len(packed) // 8}q", packed)


RECORDS = CachedValue(
    database="posts",
    key=record_key,
    load=load_records,
    encode=Record.pack,
    decode=Record.unpack,
    ttl_seconds=RECORD_TTL,
    slots=SLOTS,
)
# The ids of the LIKED_LIMIT newest posts that a user likes, newest first.
LIKED = CachedValue(
    database="posts",
    key=liked_key,
    load=_load_liked,
    encode=_encode_liked,
    decode=_decode_liked,
    ttl_seconds=LIKED_TTL,
)


class Viewed(NamedTuple):
    """The records of existing posts, by id; those the viewer likes; whom the viewer may see."""

    records: Mapping[int, Record]
    liked: frozenset[int]
    viewpoint: Viewpoint


def view(*, post_ids: Collection[int], viewer_id: int) -> Viewed:
    """Read posts for a viewer; warm, one round trip and no SQL.

    One query more for posts that are older than the LIKED_LIMIT newest ones that the viewer likes.
    """
    batch = CacheBatch()
    records = batch.add(RECORDS, post_ids)
    liked = batch.add(LIKED, [viewer_id])
    viewpoint = add_viewpoint(batch, viewer_id=viewer_id)
    batch.read()
    return Viewed(
        records.values,
        _liked_among(records.values, liked.values[viewer_id], viewer_id),
        viewpoint(),
    )


def _liked_among(
    post_ids: Collection[int], cached: tuple[int, ...], viewer_id: int
) -> frozenset[int]:
    liked = frozenset(cached)
    if len(cached) == LIKED_LIMIT:
        older = [post_id for post_id in post_ids if post_id < cached[-1]]
        if older:
            # From the primary, as cached values are: a like must not come and go for its user.
            with primary_reads(), connections[router.db_for_read(Like)].cursor() as cursor:
                cursor.execute(_LIKED_AMONG_SQL, [viewer_id, older])
                liked |= {post_id for (post_id,) in cursor.fetchall()}
    return liked


def refresh(*, post_ids: Collection[int], user_ids: Collection[int]) -> None:
    """Refresh the records of posts, and which posts users like. CACHE down: raises."""
    batch = CacheBatch()
    batch.add(RECORDS, post_ids)
    batch.add(LIKED, user_ids)
    batch.refresh()
