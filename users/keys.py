"""Valkey keys of User Info."""

from __future__ import annotations

USER_TTL = 24 * 3600  # seconds
# The hash tag is one of so many groups, so that the people of a page take fewer commands than
# people; up to that many primaries of a cluster can share them.
SLOTS = 8


def user_key(user_id: int) -> str:
    """CACHE. String: a copy (core.cached_values) of the user's document, as JSON: about 200
    bytes. Lives USER_TTL.
    """
    return f"user:v3:{{{user_id % SLOTS}}}:{user_id}"


def sessions_key(user_id: int) -> str:
    """STATE. ZSET of the user's session keys (32 characters each), by the time when each last gave
    out tokens. Lives SESSION_COOKIE_AGE, as does each member."""
    return f"sessions:v1:{{{user_id}}}"
