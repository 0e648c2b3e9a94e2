"""Valkey keys of User Info."""

from __future__ import annotations


def sessions_key(user_id: int) -> str:
    """STATE. ZSET of the user's session keys (32 characters each), by the time when each last gave
    out tokens. Lives SESSION_COOKIE_AGE, as does each member."""
    return f"sessions:v1:{{{user_id}}}"
