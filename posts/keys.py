"""Valkey keys of Post Info."""

RECORD_TTL = 24 * 3600  # seconds
LIKED_TTL = 24 * 3600  # seconds
# The number of hash tags. They are few, so that a page reads its records in fewer commands than
# posts. A cluster can spread the records over as many primaries.
SLOTS = 8


def record_key(post_id: int) -> str:
    """CACHE. String: the cache entry of a post's record (records.py), 1 kB. Lives RECORD_TTL."""
    return f"post:v5:{{{post_id % SLOTS}}}:{post_id}"


def liked_key(user_id: int) -> str:
    """CACHE. String: the cache entry of which posts a user likes, 4 kB at most. Lives LIKED_TTL."""
    return f"liked-posts:v1:{{{user_id}}}"
