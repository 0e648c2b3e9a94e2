"""The graph in the CACHE Valkey: an author's followers, in id order, and whom a viewer follows.

The followers are all there, or none is. A change of the graph drops them (`drop_followers`), and
with them the mark of whoever is loading them meanwhile, so that what they read before the change
is not kept. Whom a viewer follows is a copy of what is in SQL (`core.cached_values`), for
those who do not follow very many.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterable, Sequence

import redis
from django.db import connections, router

from core.cached_values import VERSION_SQL, Copies, Versioned
from core.valkey import cache_valkey, exchange
from usergraph.keys import (
    FOLLOWED_TTL,
    FOLLOWERS_TTL,
    followed_key,
    followers_key,
    followers_loading_key,
    former_followers_key,
)
from usergraph.models import Follow

_ID_BYTES = 8
# Of viewers who follow more accounts than this, none is kept: it would not be cheap to look at.
FOLLOWED_KEPT = 1000
_FOLLOWED_SQL = f"""
SELECT asked.id, {VERSION_SQL}, ARRAY(
    SELECT followee_id FROM usergraph_follow WHERE follower_id = asked.id LIMIT {FOLLOWED_KEPT + 1}
)
FROM unnest(%s::bigint[]) AS asked (id)
"""  # noqa: S608  (a constant)
_LOADING_TTL = 60  # seconds; a loader that takes longer just does not keep what it read


def read_followers(*, author_id: int) -> list[int] | None:
    """All follower ids, in id order; None on a miss. One round trip."""
    (packed,) = exchange(cache_valkey(), [(b"GET", followers_key(author_id))])
    return None if packed is None else list(struct.unpack(f">{len(packed) // _ID_BYTES}q", packed))


def count_followers(*, author_id: int) -> int:
    """How many followers are kept; 0 as well when it is not known. One round trip."""
    (length,) = exchange(cache_valkey(), [(b"STRLEN", followers_key(author_id))])
    return int(length) // _ID_BYTES


def begin_loading(*, author_id: int) -> bytes:
    """Mark them as being loaded; to be called before SQL is read. Returns the loader's token."""
    token = secrets.token_bytes(8)
    cache_valkey().set(followers_loading_key(author_id), token, ex=_LOADING_TTL)
    return token


def keep_followers(*, author_id: int, token: bytes, follower_ids: Sequence[int]) -> bool:
    """Keep what was read since `begin_loading`, unless the graph has changed; returns whether.

    `follower_ids`: all of them, in id order.
    """
    loading, key = followers_loading_key(author_id), followers_key(author_id)
    with cache_valkey().pipeline() as pipeline:
        pipeline.watch(loading)  # type: ignore[no-untyped-call]
        if pipeline.get(loading) != token:
            return False
        pipeline.multi()
        pipeline.set(key, struct.pack(f">{len(follower_ids)}q", *follower_ids), ex=FOLLOWERS_TTL)
        pipeline.delete(loading)
        try:
            pipeline.execute()
        except redis.WatchError:
            return False
    return True


def drop_followers(*, author_ids: Iterable[int]) -> None:
    """Forget the followers of authors, and what is being loaded of them; one round trip."""
    kinds = followers_key, followers_loading_key, former_followers_key
    commands = [("UNLINK", *(key(id_) for key in kinds)) for id_ in author_ids]
    exchange(cache_valkey(), commands)


def _load_followed(viewer_ids: Sequence[int]) -> dict[int, Versioned]:
    with connections[router.db_for_read(Follow)].cursor() as cursor:
        cursor.execute(_FOLLOWED_SQL, [list(viewer_ids)])
        return {
            viewer_id: (version, _pack_followed(ids))
            for viewer_id, version, ids in cursor.fetchall()
        }


def _pack_followed(ids: Sequence[int]) -> bytes:
    # One byte before the ids, as a payload without any would say that there is no viewer.
    kept = ids if len(ids) <= FOLLOWED_KEPT else []
    return struct.pack(f">x{len(kept)}q", *kept)


def unpack_followed(packed: bytes) -> frozenset[int]:
    """The ids of whom a viewer follows; none of a viewer who follows very many."""
    return frozenset(struct.unpack(f">x{len(packed) // _ID_BYTES}q", packed))


FOLLOWED = Copies(
    database="default", key=followed_key, load=_load_followed, ttl_seconds=FOLLOWED_TTL
)
