"""Valkey keys of User Graph."""

FOLLOWERS_TTL = 3600  # seconds
FOLLOWED_TTL = 24 * 3600  # seconds
HIDDEN_TTL = 24 * 3600  # seconds
FRIENDLY_TTL = 24 * 3600  # seconds


def followers_key(author_id: int) -> str:
    """CACHE. String: the ids of all followers who do not mute the author, in id order, 8 bytes
    each; at most FANOUT_PUSH_LIMIT. Lives FOLLOWERS_TTL.
    """
    return f"followers:v2:{{{author_id}}}"


def former_followers_key(author_id: int) -> str:
    """CACHE. The followers as the previous release stores them: it may run beside this one, or
    again in its place. This release only drops it. Lives a day at most.
    """
    return f"followers:v1:{{{author_id}}}"


def followers_lease_key(author_id: int) -> str:
    """CACHE. String: the fill lease of the process that reads `followers_key` from SQL. Lives a
    minute at most.
    """
    return f"followers-loading:v1:{{{author_id}}}"


def followed_key(viewer_id: int) -> str:
    """CACHE. String: the cache entry of whom a viewer follows, 8 kB at most. Lives FOLLOWED_TTL."""
    return f"followed:v2:{{{viewer_id}}}"


def hidden_key(viewer_id: int) -> str:
    """CACHE. String: the cache entry of who is hidden from a viewer by blocks, 16 kB at most. Lives
    HIDDEN_TTL.
    """
    return f"hidden:v1:{{{viewer_id}}}"


def friendly_key(viewer_id: int) -> str:
    """CACHE. String: the cache entry of who has a viewer among the close friends, 16 kB at most.
    Lives FRIENDLY_TTL.
    """
    return f"friendly:v1:{{{viewer_id}}}"
