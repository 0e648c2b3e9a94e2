"""Post Info in the CACHE Valkey: records of posts, and which posts a user likes.

Both are copies of what is in SQL (`core.cached_values`): whoever changes that refreshes them
once it has committed, and readers fill in what is cold. CACHE down: they come from SQL.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from django.db import connections, router

from core.cached_values import VERSION_SQL, Copies, Versioned, read_copies, refresh_copies
from core.sql import primary_reads
from posts.keys import LIKED_TTL, RECORD_TTL, SLOTS, liked_key, record_key
from posts.models import Like
from posts.records import Record, load_records
from usergraph import selectors as graph_selectors

# Of the posts that a user likes, so many are kept, the newest posts; what is older is in SQL.
LIKED_KEPT = 500

_LIKED_SQL = f"""
SELECT asked.id, {VERSION_SQL}, ARRAY(
    SELECT subject_id FROM posts_like
    WHERE user_id = asked.id ORDER BY subject_id DESC LIMIT {LIKED_KEPT}
)
FROM unnest(%s::bigint[]) AS asked (id)
"""  # noqa: S608  (a constant)
_LIKED_AMONG_SQL = """
SELECT subject_id FROM posts_like WHERE user_id = %s AND subject_id = ANY(%s)
"""


def _load_liked(user_ids: Sequence[int]) -> dict[int, Versioned]:
    with connections[router.db_for_read(Like)].cursor() as cursor:
        cursor.execute(_LIKED_SQL, [list(user_ids)])
        return {
            # One byte before the ids, as a payload without any would say that there is no user.
            user_id: (version, struct.pack(f">x{len(post_ids)}q", *post_ids))
            for user_id, version, post_ids in cursor.fetchall()
        }


RECORDS = Copies(
    database="posts", key=record_key, load=load_records, ttl_seconds=RECORD_TTL, slots=SLOTS
)
LIKED = Copies(database="posts", key=liked_key, load=_load_liked, ttl_seconds=LIKED_TTL)


@dataclass(frozen=True)
class Viewed:
    """Records of posts that exist, by id, and what a viewer has to do with them."""

    records: Mapping[int, Record]
    liked: frozenset[int]
    followed: frozenset[int]


def view(*, post_ids: Collection[int], viewer_id: int) -> Viewed:
    """Posts as a viewer sees them; warm, one round trip and no SQL.

    One query more when there are posts older than the LIKED_KEPT newest that the viewer likes.
    """
    records, liked, followed = read_copies(
        [(RECORDS, post_ids), (LIKED, [viewer_id]), (graph_selectors.FOLLOWED, [viewer_id])]
    )
    found = {id_: Record.unpack(packed) for id_, packed in records.items() if packed}
    return Viewed(
        found,
        _liked_among(list(found), liked[viewer_id], viewer_id) if found else frozenset(),
        graph_selectors.unpack_followed(followed[viewer_id]),
    )


def _liked_among(post_ids: Sequence[int], packed: bytes, viewer_id: int) -> frozenset[int]:
    kept = struct.unpack(f">x{len(packed) // 8}q", packed)
    liked = frozenset(kept)
    if len(kept) == LIKED_KEPT:
        older = [post_id for post_id in post_ids if post_id < kept[-1]]
        if older:
            # From the primary, as what is kept is: one's own like must not come and go.
            with primary_reads(), connections[router.db_for_read(Like)].cursor() as cursor:
                cursor.execute(_LIKED_AMONG_SQL, [viewer_id, older])
                liked |= {post_id for (post_id,) in cursor.fetchall()}
    return liked


def refresh(*, post_ids: Collection[int], user_ids: Collection[int]) -> None:
    """Bring records, and which posts these users like, up to date. CACHE down: raises."""
    refresh_copies([(RECORDS, post_ids), (LIKED, user_ids)])
