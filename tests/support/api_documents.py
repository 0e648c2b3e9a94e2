"""Documents of posts and comments, as the API shows them."""

from collections.abc import Sequence
from typing import Any

import orjson
from django.db import connections

from comments.selectors import comment_document, comment_page
from posts.models import Post
from posts.selectors import post_document
from users.models import User
from users.services import refresh_documents, set_active


def documents_of_existing(*, post_ids: Sequence[int], viewer_id: int = 0) -> dict[int, bytes]:
    """Replaces `post_documents` in tests: one document per post that exists in SQL and whose
    author is active. The document is the author's id.
    """
    authors = dict(Post.objects.filter(pk__in=post_ids).values_list("pk", "author_id"))
    rows = User.objects.filter(pk__in=authors.values(), is_active=True)
    active = set(rows.values_list("pk", flat=True))
    return {id_: b"%d" % author for id_, author in authors.items() if author in active}


def documents_of_all(*, post_ids: Sequence[int], viewer_id: int) -> dict[int, bytes]:
    """Like `documents_of_existing`, but assumes active authors; one fast query."""
    with connections["posts"].cursor() as cursor:
        cursor.execute("SELECT id, author_id FROM posts_post WHERE id = ANY(%s)", [list(post_ids)])
        return {id_: b"%d" % author for id_, author in cursor.fetchall()}


def shown_post(post_id: int, viewer_id: int) -> Any:
    """The document of a post, as a client decodes it."""
    return orjson.loads(post_document(post_id=post_id, viewer_id=viewer_id))


def shown_ids(page: Sequence[Any]) -> list[int]:
    """The ids of the documents on a page, as a client decodes them."""
    return [int(document["id"]) for document in orjson.loads(orjson.dumps(page))]


def shown_comment(comment_id: int, viewer_id: int) -> Any:
    """The document of a comment, as a client decodes it."""
    document = comment_document(comment_id=comment_id, viewer_id=viewer_id)
    return orjson.loads(orjson.dumps(document))


def shown_comments(post_id: int, viewer_id: int) -> list[Any]:
    """The documents of all comments on a post, oldest first."""
    page, next_cursor = comment_page(
        post_id=post_id, viewer_id=viewer_id, newest_first=False, after=None, limit=100
    )
    assert next_cursor is None
    found: list[Any] = orjson.loads(orjson.dumps(page))
    return found


def deactivate(user_id: int) -> None:
    """Deactivate a user and refresh their document, in a test whose transaction never commits."""
    set_active(user_ids=[user_id], active=False)
    refresh_documents(user_ids=[user_id])


def shown_likes(post_id: int, viewer_id: int) -> tuple[int, bool, list[int]]:
    """A post's likes as shown: their count, whether the viewer likes it, the latest likers' ids."""
    document = shown_post(post_id, viewer_id)
    recent = [int(user["id"]) for user in document["recent_likes"]]
    return document["counts"]["likes"], document["viewer"]["liked"], recent
