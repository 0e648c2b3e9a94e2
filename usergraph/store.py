"""The graph in CACHE: an author's followers, whom a viewer follows, who is hidden from the viewer
by blocks, and who has the viewer among the close friends.

An entry holds all followers of an author who do not mute the author, in id order. A change of the
graph drops it (`drop_followers`), and with it the fill lease of a process that reads SQL at that
moment, so that what was read before the change is not stored. The others are cached values
(`core.cached_values`).
"""

import secrets
import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db import connections, router

from core.cached_values import VERSION_SQL, CachedValue, Versioned
from core.sql import primary_reads
from core.valkey import cache_valkey, exchange, run_script
from usergraph.keys import (
    FOLLOWED_TTL,
    FOLLOWERS_TTL,
    FRIENDLY_TTL,
    HIDDEN_TTL,
    followed_key,
    followers_key,
    followers_lease_key,
    former_followers_key,
    friendly_key,
    hidden_key,
)
from usergraph.models import Follow

_ID_BYTES = 8
# No more ids are cached for a viewer: if there are, each page that needs them asks SQL.
FOLLOWED_LIMIT = 1000
_FOLLOWED_SQL = f"""
SELECT asked.id, {VERSION_SQL}, ARRAY(
    SELECT followee_id FROM usergraph_follow WHERE follower_id = asked.id LIMIT %(limit)s
)
FROM unnest(%(viewer_ids)s::bigint[]) AS asked (id)
"""  # noqa: S608  (a constant)
HIDDEN_LIMIT = 2000
_HIDDEN_SQL = f"""
SELECT asked.id, {VERSION_SQL}, ARRAY(
    (
        SELECT blocked_id FROM usergraph_block WHERE blocker_id = asked.id
        LIMIT %(limit)s
    )
    UNION ALL
    (
        SELECT blocker_id FROM usergraph_block WHERE blocked_id = asked.id
        LIMIT %(limit)s
    )
)
FROM unnest(%(viewer_ids)s::bigint[]) AS asked (id)
"""  # noqa: S608  (a constant)
FRIENDLY_LIMIT = 2000
_FRIENDLY_SQL = f"""
SELECT asked.id, {VERSION_SQL}, ARRAY(
    SELECT owner_id FROM usergraph_closefriend WHERE member_id = asked.id LIMIT %(limit)s
)
FROM unnest(%(viewer_ids)s::bigint[]) AS asked (id)
"""  # noqa: S608  (a constant)
_FILL_LEASE_SECONDS = 60
# KEYS: those of the lease and of the followers; only one of them while their slot moves. ARGV: the
# lease that was taken, the packed ids, their seconds to live. Returns 1, or 0 if nothing is stored.
# The lease stays, so that the script may run twice.
_STORE_LUA = """
if #KEYS < 2 or redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
return 1
"""


def read_followers(*, author_id: int) -> list[int] | None:
    """The ids of all followers who do not mute the author, in id order; None on a miss. One round
    trip.
    """
    (packed,) = exchange(cache_valkey(), [(b"GET", followers_key(author_id))])
    return None if packed is None else list(struct.unpack(f">{len(packed) // _ID_BYTES}q", packed))


def count_followers(*, author_id: int) -> int:
    """The number of cached followers; 0 also on a miss. One round trip."""
    (length,) = exchange(cache_valkey(), [(b"STRLEN", followers_key(author_id))])
    return int(length) // _ID_BYTES


def take_fill_lease(*, author_id: int) -> bytes:
    """Announce a read of the followers from SQL; returns the fill lease for `store_followers`."""
    lease = secrets.token_bytes(8)
    key = followers_lease_key(author_id)
    exchange(cache_valkey(), [("SET", key, lease, "EX", _FILL_LEASE_SECONDS)])
    return lease


def store_followers(*, author_id: int, lease: bytes, follower_ids: Sequence[int]) -> bool:
    """Store the ids of all followers, in id order, as read since `take_fill_lease`.

    Stores nothing, and returns False, if the lease is gone: the graph has changed, the lease has
    expired, or another process has taken one; or, on a cluster, their slot is moving.
    """
    keys = followers_lease_key(author_id), followers_key(author_id)
    packed = struct.pack(f">{len(follower_ids)}q", *follower_ids)
    (is_stored,) = run_script(
        cache_valkey(), _STORE_LUA, [(keys, [lease, packed, b"%d" % FOLLOWERS_TTL])]
    )
    return bool(is_stored)


def drop_followers(*, author_ids: Iterable[int]) -> None:
    """Drop the cached followers of authors, and their fill leases; one round trip."""
    kinds = followers_key, followers_lease_key, former_followers_key
    commands = [("UNLINK", *(key(id_) for key in kinds)) for id_ in author_ids]
    exchange(cache_valkey(), commands)


class IdSet(NamedTuple):
    """The ids of users who stand in one relation to a viewer.

    `ids` is empty, and not `is_whole`, if they are more than the relation's limit.
    """

    ids: frozenset[int]
    is_whole: bool


def _load(sql: str, viewer_ids: Sequence[int], limit: int) -> dict[int, Versioned[IdSet]]:
    # Always from the primary: a replica may not know yet what somebody else has changed.
    with primary_reads(), connections[router.db_for_read(Follow)].cursor() as cursor:
        cursor.execute(sql, {"viewer_ids": list(viewer_ids), "limit": limit + 1})
        return {
            viewer_id: (version, IdSet(frozenset(ids), is_whole=True))
            if len(ids) <= limit
            else (version, IdSet(frozenset(), is_whole=False))
            for viewer_id, version, ids in cursor.fetchall()
        }


def _encode(ids: IdSet) -> bytes:
    return struct.pack(f">?{len(ids.ids)}q", ids.is_whole, *ids.ids)


def _decode(packed: bytes) -> IdSet:
    is_whole, *ids = struct.unpack(f">?{len(packed) // _ID_BYTES}q", packed)
    return IdSet(frozenset(ids), is_whole)


# Whom a viewer follows.
FOLLOWED = CachedValue(
    database="default",
    key=followed_key,
    load=lambda viewer_ids: _load(_FOLLOWED_SQL, viewer_ids, FOLLOWED_LIMIT),
    encode=_encode,
    decode=_decode,
    ttl_seconds=FOLLOWED_TTL,
)
# Who is hidden from a viewer by blocks.
HIDDEN = CachedValue(
    database="default",
    key=hidden_key,
    load=lambda viewer_ids: _load(_HIDDEN_SQL, viewer_ids, HIDDEN_LIMIT),
    encode=_encode,
    decode=_decode,
    ttl_seconds=HIDDEN_TTL,
)
# Who has a viewer among the close friends.
FRIENDLY = CachedValue(
    database="default",
    key=friendly_key,
    load=lambda viewer_ids: _load(_FRIENDLY_SQL, viewer_ids, FRIENDLY_LIMIT),
    encode=_encode,
    decode=_decode,
    ttl_seconds=FRIENDLY_TTL,
)
