"""Valkey keys of User Info."""

from __future__ import annotations


def sessions_key(user_id: int) -> str:
    """STATE. Set of the user's session keys (32 characters each). Lives SESSION_COOKIE_AGE."""
    return f"sessions:v1:{{{user_id}}}"
