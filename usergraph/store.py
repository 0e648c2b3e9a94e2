"""The graph in CACHE: an author's followers, in id order, and whom a viewer follows.

An entry holds all followers of an author. A change of the graph drops it (`drop_followers`), and
with it the fill lease of a process that reads SQL at that moment, so that what was read before the
change is not stored. Whom a viewer follows is a cached value (`core.cached_values`).
"""

import secrets
import struct
from collections.abc import Iterable, Sequence

import redis
from django.db import connections, router

from core.cached_values import VERSION_SQL, CachedValue, Versioned
from core.valkey import cache_valkey, exchange
from usergraph.keys import (
    FOLLOWED_TTL,
    FOLLOWERS_TTL,
    followed_key,
    followers_key,
    followers_lease_key,
    former_followers_key,
)
from usergraph.models import Follow

_ID_BYTES = 8
# Nothing is cached for a viewer who follows more accounts: each page reads the value.
FOLLOWED_LIMIT = 1000
_FOLLOWED_SQL = f"""
SELECT asked.id, {VERSION_SQL}, ARRAY(
    SELECT followee_id FROM usergraph_follow WHERE follower_id = asked.id LIMIT {FOLLOWED_LIMIT + 1}
)
FROM unnest(%s::bigint[]) AS asked (id)
"""  # noqa: S608  (a constant)
_FILL_LEASE_SECONDS = 60


def read_followers(*, author_id: int) -> list[int] | None:
    """The ids of all followers, in id order; None on a miss. One round trip."""
    (packed,) = exchange(cache_valkey(), [(b"GET", followers_key(author_id))])
    return None if packed is None else list(struct.unpack(f">{len(packed) // _ID_BYTES}q", packed))


def count_followers(*, author_id: int) -> int:
    """The number of cached followers; 0 also on a miss. One round trip."""
    (length,) = exchange(cache_valkey(), [(b"STRLEN", followers_key(author_id))])
    return int(length) // _ID_BYTES


def take_fill_lease(*, author_id: int) -> bytes:
    """Announce a read of the followers from SQL; returns the fill lease for `store_followers`."""
    lease = secrets.token_bytes(8)
    cache_valkey().set(followers_lease_key(author_id), lease, ex=_FILL_LEASE_SECONDS)
    return lease


def store_followers(*, author_id: int, lease: bytes, follower_ids: Sequence[int]) -> bool:
    """Store the ids of all followers, in id order, as read since `take_fill_lease`.

    Stores nothing, and returns False, if the lease is gone: the graph has changed, the lease has
    expired, or another process has taken one.
    """
    lease_key, key = followers_lease_key(author_id), followers_key(author_id)
    with cache_valkey().pipeline() as pipeline:
        pipeline.watch(lease_key)  # type: ignore[no-untyped-call]
        if pipeline.get(lease_key) != lease:
            return False
        pipeline.multi()
        pipeline.set(key, struct.pack(f">{len(follower_ids)}q", *follower_ids), ex=FOLLOWERS_TTL)
        pipeline.delete(lease_key)
        try:
            pipeline.execute()
        except redis.WatchError:
            return False
    return True


def drop_followers(*, author_ids: Iterable[int]) -> None:
    """Drop the cached followers of authors, and their fill leases; one round trip."""
    kinds = followers_key, followers_lease_key, former_followers_key
    commands = [("UNLINK", *(key(id_) for key in kinds)) for id_ in author_ids]
    exchange(cache_valkey(), commands)


def _load_followed(viewer_ids: Sequence[int]) -> dict[int, Versioned[frozenset[int]]]:
    with connections[router.db_for_read(Follow)].cursor() as cursor:
        cursor.execute(_FOLLOWED_SQL, [list(viewer_ids)])
        return {
            viewer_id: (version, frozenset(ids if len(ids) <= FOLLOWED_LIMIT else ()))
            for viewer_id, version, ids in cursor.fetchall()
        }


def _encode_followed(ids: frozenset[int]) -> bytes:
    # One byte before the ids: an empty string stands for a viewer who does not exist.
    return struct.pack(f">x{len(ids)}q", *ids)


def _decode_followed(packed: bytes) -> frozenset[int]:
    return frozenset(struct.unpack(f">x{len(packed) // _ID_BYTES}q", packed))


# The ids of whom a viewer follows; empty for a viewer who follows more than FOLLOWED_LIMIT.
FOLLOWED = CachedValue(
    database="default",
    key=followed_key,
    load=_load_followed,
    encode=_encode_followed,
    decode=_decode_followed,
    ttl_seconds=FOLLOWED_TTL,
)
