"""Valkey keys of User Graph."""

from __future__ import annotations

FOLLOWERS_TTL = 3600  # seconds
FOLLOWED_TTL = 24 * 3600  # seconds


def followers_key(author_id: int) -> str:
    """CACHE. String: the ids of all followers, in id order, 8 bytes each; of at most
    FANOUT_PUSH_LIMIT. Lives FOLLOWERS_TTL.
    """
    return f"followers:v2:{{{author_id}}}"


def former_followers_key(author_id: int) -> str:
    """CACHE. What the version before kept of the followers, and reads while it runs beside this
    one, or in its place again. Only ever dropped here; lives a day at most.
    """
    return f"followers:v1:{{{author_id}}}"


def followers_loading_key(author_id: int) -> str:
    """CACHE. String: who is loading `followers_key` from SQL. Lives a minute at most."""
    return f"followers-loading:v1:{{{author_id}}}"


def followed_key(viewer_id: int) -> str:
    """CACHE. String: a copy (core.cached_values) of whom a viewer follows
    (`usergraph.store.FOLLOWED`), 8 bytes an account, 8 kB at most. Lives FOLLOWED_TTL.
    """
    return f"followed:v1:{{{viewer_id}}}"
