"""Valkey keys of User Info."""

USER_TTL = 24 * 3600  # seconds
# The number of hash tags. They are few, so that a page reads its people in fewer commands than
# people. A cluster can spread the documents over as many primaries.
SLOTS = 8


def user_key(user_id: int) -> str:
    """CACHE. String: the cache entry of a user's document, about 200 bytes. Lives USER_TTL."""
    return f"user:v4:{{{user_id % SLOTS}}}:{user_id}"


def sessions_key(user_id: int) -> str:
    """STATE. ZSET of the user's session keys (32 characters each); the score is the Unix time at
    which the session last issued tokens. Lives SESSION_COOKIE_AGE, as does each member.
    """
    return f"sessions:v1:{{{user_id}}}"


def refresh_token_key(session_key: str) -> str:
    """STATE. String: the id (36 characters) of the only refresh token of a session that is valid.
    There is none before the first exchange. Lives SESSION_COOKIE_AGE.
    """
    return f"refresh:v1:{{{session_key}}}"


def refresh_answer_key(session_key: str, token_id: str) -> str:
    """STATE. String: JSON of the pair that replaced a refresh token, about 1 kB. Lives
    `refresh_tokens.GRACE_SECONDS`.
    """
    return f"refreshed:v1:{{{session_key}}}:{token_id}"
