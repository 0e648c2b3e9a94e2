"""Valkey keys of Timeline.

The hash tag names one of `SLOTS` groups of users, not a user. So one script can deliver to many
timelines at once, also on a Valkey Cluster, where a script may touch one hash slot only. Up to
`SLOTS` primaries can share the timelines.
"""

from collections.abc import Iterable

SLOTS = 64
HOME_PREFIX, PROFILE_PREFIX = "home:v3:", "profile:v3:"


def home_key(user_id: int) -> str:
    """CACHE. List of a header and 16-byte entries (timeline.store), newest first, TIMELINE_CAP or
    a few more: about 15 kB when full. Lives TIMELINE_IDLE_DAYS after the last read.
    """
    return _key(HOME_PREFIX, user_id)


def home_keys_by_slot(user_ids: Iterable[int]) -> list[list[str]]:
    """The `home_key`s of many users, grouped by hash slot."""
    slots: list[list[int]] = [[] for _ in range(SLOTS)]
    for user_id in user_ids:
        slots[user_id % SLOTS].append(user_id)
    heads = [f"{HOME_PREFIX}{{{slot}}}:" for slot in range(SLOTS)]
    return [
        [f"{head}{user_id}" for user_id in mine]
        for head, mine in zip(heads, slots, strict=True)
        if mine
    ]


def profile_key(user_id: int) -> str:
    """CACHE. The same as `home_key`, with the user's own posts only."""
    return _key(PROFILE_PREFIX, user_id)


def page_replay_key(viewer_id: int, page: str) -> str:
    """CACHE. String: the replay of a page (timeline.page_replay), 7 kB. Lives its TTL_SECONDS."""
    return f"page-replay:v1:{{{viewer_id}}}:{page}"


def delivered_up_to_key() -> str:
    """STATE. String: the id up to which every post has been delivered. Never expires."""
    return "delivered-up-to:v1"


def _key(prefix: str, user_id: int) -> str:
    return f"{prefix}{{{user_id % SLOTS}}}:{user_id}"
