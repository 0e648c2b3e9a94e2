"""What is shown of posts, for the tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from posts.models import Post
from posts.selectors import post_document
from users.models import User


def show_existing(*, post_ids: Sequence[int]) -> dict[int, int]:
    """In place of Post Info, for tests of timelines: a post is shown while it and its author are
    there, by what SQL says at this moment; their authors, by post id.
    """
    authors = dict(Post.objects.filter(pk__in=post_ids).values_list("pk", "author_id"))
    rows = User.objects.filter(pk__in=authors.values(), is_active=True)
    active = set(rows.values_list("pk", flat=True))
    return {post_id: author_id for post_id, author_id in authors.items() if author_id in active}


def shown_post(post_id: int, viewer_id: int) -> Any:
    """The document of a post, as a client decodes it."""
    return orjson.loads(post_document(post_id=post_id, viewer_id=viewer_id))
