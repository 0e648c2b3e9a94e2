"""Valkey keys of User Info."""

USER_TTL = 24 * 3600  # seconds
# The number of hash tags. They are few, so that a page reads its people in fewer commands than
# people. A cluster can spread the documents over as many primaries.
SLOTS = 8


def user_key(user_id: int) -> str:
    """CACHE. String: the cache entry of a user's document, about 200 bytes. Lives USER_TTL."""
    return f"user:v3:{{{user_id % SLOTS}}}:{user_id}"


def sessions_key(user_id: int) -> str:
    """STATE. ZSET of the user's session keys (32 characters each); the score is the Unix time at
    which the session last issued tokens. Lives SESSION_COOKIE_AGE, as does each member.
    """
    return f"sessions:v1:{{{user_id}}}"
