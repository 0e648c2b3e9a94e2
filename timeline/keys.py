"""Valkey keys of Timeline.

The hash tag is one of `SLOTS` groups and not the user, so that one script can deliver to many
timelines at once and still run unchanged on a Valkey Cluster, where a script may touch one hash
slot only. Up to that many primaries can share the timelines.
"""

from __future__ import annotations

SLOTS = 64


def home_key(user_id: int) -> str:
    """CACHE. List of 16-byte entries (timeline.store), newest first, TIMELINE_CAP at most:
    about 15 kB when full. Lives TIMELINE_IDLE_DAYS after the last read.
    """
    return f"home:v1:{{{user_id % SLOTS}}}:{user_id}"


def profile_key(user_id: int) -> str:
    """CACHE. As `home_key`, of the user's own posts."""
    return f"profile:v1:{{{user_id % SLOTS}}}:{user_id}"
