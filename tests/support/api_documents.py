"""Documents of posts and comments, as the API shows them."""

from collections.abc import Sequence
from typing import Any

import orjson
from django.db.models import Q

from comments.selectors import comment_document, comment_page
from posts.models import Audience, Post
from posts.selectors import post_document
from usergraph.models import CloseFriend
from users.models import User
from users.services import refresh_documents, set_active


def documents_of_existing(
    *, post_ids: Sequence[int], viewer_id: int = 0, at_most: int | None = None
) -> dict[int, bytes]:
    """Replaces `post_documents` in tests: one document per post that exists in SQL, whose author is
    active, and for whose audience the viewer is one. The document is the author's id.
    """
    friendly = CloseFriend.objects.filter(member_id=viewer_id).values_list("owner_id", flat=True)
    for_viewer = Q(audience=Audience.EVERYONE) | Q(author_id__in=[viewer_id, *friendly])
    posts = Post.objects.filter(for_viewer, pk__in=post_ids)
    authors = dict(posts.values_list("pk", "author_id"))
    rows = User.objects.filter(pk__in=authors.values(), is_active=True)
    active = set(rows.values_list("pk", flat=True))
    shown = [id_ for id_ in post_ids if authors.get(id_) in active]
    return {id_: b"%d" % authors[id_] for id_ in shown[:at_most]}


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
