"""Posts for the tests: rows like those of `publish_post`, without pictures or events."""

from posts.models import Post


def make_posts(author_id: int, count: int) -> list[int]:
    """Insert posts. Returns their ids, oldest first."""
    posts = Post.objects
    rows = [posts.create(author_id=author_id, caption=f"No. {number}") for number in range(count)]
    return sorted(post.pk for post in rows)
