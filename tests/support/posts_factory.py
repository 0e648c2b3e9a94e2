"""Posts for the tests, without pictures: rows as `publish_post` leaves them, no events."""

from __future__ import annotations

from posts.models import Post


def make_posts(author_id: int, count: int) -> list[int]:
    """Insert posts; their ids, oldest first."""
    posts = Post.objects
    rows = [posts.create(author_id=author_id, caption=f"No. {number}") for number in range(count)]
    return sorted(post.pk for post in rows)
