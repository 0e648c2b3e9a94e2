"""Posts for the tests: rows like those of `publish_post`, without pictures or events."""

from typing import Any

from posts.models import Post


def make_posts(author_id: int, count: int, **columns: Any) -> list[int]:
    """Insert posts. Returns their ids, oldest first."""
    posts = Post.objects
    rows = [
        posts.create(author_id=author_id, caption=f"No. {number}", **columns)
        for number in range(count)
    ]
    return sorted(post.pk for post in rows)
