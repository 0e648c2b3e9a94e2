"""Valkey keys of Post Info."""

from __future__ import annotations

DELETED_TTL = 300  # seconds; longer than a replica in rotation may lag


def deleted_key(post_id: int) -> str:
    """CACHE. String "1": this post has just been deleted. Lives DELETED_TTL."""
    return f"post-deleted:v1:{{{post_id}}}"
