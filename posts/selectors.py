"""Reads of Post Info. A post document is what every answer shows of a post:

{"id", "author": {user}, "caption", "created_at", "edited_at", "media": [{media}, …]}
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

import orjson
from django.db import connections, router

from media import selectors as media_selectors
from posts import store
from posts.models import Post
from socialfeed.common.consistency import all_found, reads_may_be_stale
from socialfeed.common.ids import MAX_ID
from socialfeed.common.problems import NotFound
from users import selectors as user_selectors

Found = TypeVar("Found")

# The newest posts of many authors, from the index `post_by_author` alone: a few of each author
# first; then, of those authors whose few are all among the newest so far, what else is newer than
# the last of these. It reads a few rows an author and what it returns, whatever the table's size.
_REFS_SQL = """
WITH probe AS MATERIALIZED (
    SELECT post.id, author.id AS author_id
    FROM unnest(%(author_ids)s::bigint[]) AS author (id)
    CROSS JOIN LATERAL (
        SELECT id FROM posts_post
        WHERE author_id = author.id AND id < %(before)s AND id > %(since)s
        ORDER BY id DESC
        LIMIT %(few)s
    ) AS post
), bar AS MATERIALIZED (
    SELECT coalesce(
        (SELECT id FROM probe ORDER BY id DESC OFFSET %(limit)s - 1 LIMIT 1), %(since)s
    ) AS id
), deeper AS (
    SELECT author_id, min(id) AS id FROM probe
    GROUP BY author_id
    HAVING count(*) = %(few)s AND min(id) > (SELECT id FROM bar)
)
SELECT id, author_id FROM probe
UNION ALL
SELECT post.id, deeper.author_id
FROM deeper
CROSS JOIN LATERAL (
    SELECT id FROM posts_post
    WHERE author_id = deeper.author_id AND id < deeper.id AND id > (SELECT id FROM bar)
    ORDER BY id DESC
    LIMIT %(limit)s
) AS post
ORDER BY id DESC
LIMIT %(limit)s
"""

_EDITS_SQL = "SELECT id, author_id, edited_at FROM posts_post WHERE id = ANY(%s)"


def post_refs(
    *, author_ids: Sequence[int], before: int | None, limit: int, since: int = 0
) -> list[tuple[int, int]]:
    """The newest (post_id, author_id) of some authors, older than the post `before` and newer than
    `since`; one query.
    """
    if not author_ids:
        return []
    with connections[router.db_for_read(Post)].cursor() as cursor:
        cursor.execute(_REFS_SQL, _refs_parameters(author_ids, before, limit, since))
        return [(post_id, author_id) for post_id, author_id in cursor.fetchall()]


def _refs_parameters(
    author_ids: Sequence[int], before: int | None, limit: int, since: int
) -> dict[str, Any]:
    return {
        "author_ids": list(author_ids),
        "before": MAX_ID if before is None else before,
        "since": since,
        "limit": limit,
        "few": 2 + 2 * limit // len(author_ids),
    }


def existing_ids(*, post_ids: Sequence[int]) -> set[int]:
    """Those of some posts that have not been deleted, whoever may see them; one query."""
    return set(Post.objects.filter(pk__in=post_ids).values_list("pk", flat=True))


def author_of(*, post_id: int) -> int | None:
    """The author of a post, whoever may see it; None when there is no such post."""
    return Post.objects.filter(pk=post_id).values_list("author_id", flat=True).first()


def post_stamps(*, post_ids: Sequence[int]) -> dict[int, bytes]:
    """A stamp of each post that `post_documents` would show, by id; two light queries.

    It changes whenever the document does, and is that of `stamp_of`. What a post's media are
    never changes.
    """
    found = all_found(_read_edits, post_ids)
    authors = user_selectors.user_documents(user_ids=[author_id for author_id, _ in found.values()])
    return {
        post_id: _stamp(post_id, edited_at, authors[author_id])
        for post_id, (author_id, edited_at) in found.items()
        if author_id in authors
    }


def stamp_of(document: dict[str, Any]) -> bytes:
    """The stamp of a post, from its document."""
    return _stamp(int(document["id"]), document["edited_at"], document["author"])


def _stamp(post_id: int, edited_at: datetime | None, author: dict[str, Any]) -> bytes:
    return orjson.dumps([post_id, edited_at, author])


def _read_edits(post_ids: Sequence[int]) -> dict[int, tuple[int, datetime | None]]:
    if not post_ids:
        return {}
    # By hand: this is what an unchanged page costs, and the ORM would double it.
    with connections[router.db_for_read(Post)].cursor() as cursor:
        cursor.execute(_EDITS_SQL, [list(post_ids)])
        found = {id_: (author_id, edited_at) for id_, author_id, edited_at in cursor.fetchall()}
    return _without_deleted(found)


def post_documents(*, post_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The documents of those posts that exist and whose authors are active, by id.

    Three queries, whatever their number: posts, media, authors.
    """
    posts = all_found(_read_posts, post_ids)
    media = media_selectors.documents_of_posts(post_ids=list(posts))
    authors = user_selectors.user_documents(user_ids=[post.author_id for post in posts.values()])
    return {
        post.pk: {
            "id": str(post.pk),
            "author": authors[post.author_id],
            "caption": post.caption,
            "created_at": post.created_at,
            "edited_at": post.edited_at,
            "media": media.get(post.pk, []),
        }
        for post in posts.values()
        if post.author_id in authors
    }


def _read_posts(post_ids: Sequence[int]) -> dict[int, Post]:
    return _without_deleted(Post.objects.in_bulk(list(post_ids)) if post_ids else {})


def _without_deleted(found: dict[int, Found]) -> dict[int, Found]:
    """What was read, by post id, without posts that only a lagging replica still has."""
    if found and reads_may_be_stale():
        for post_id in store.deleted_among(post_ids=list(found)):
            del found[post_id]
    return found


def post_document(*, post_id: int) -> dict[str, Any]:
    """The document of one post; raises `NotFound`."""
    document = post_documents(post_ids=[post_id]).get(post_id)
    if document is None:
        raise NotFound("There is no such post.")
    return document


def posts_by_author(
    *, author_id: int, before: int | None, limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """Documents of an author's posts, newest first, straight from SQL; and where to go on."""
    refs = post_refs(author_ids=[author_id], before=before, limit=limit + 1)
    ids = [post_id for post_id, _ in refs[:limit]]
    documents = post_documents(post_ids=ids)
    position = ids[-1] if len(refs) > limit else None
    return [documents[id_] for id_ in ids if id_ in documents], position


def post_count(*, author_ids: Sequence[int]) -> int:
    """How many posts some authors have, together."""
    return Post.objects.filter(author_id__in=author_ids).count()


def profile_part(user_id: int, viewer_id: int | None) -> dict[str, dict[str, Any]]:
    """What Post Info adds to a profile."""
    return {"counts": {"posts": post_count(author_ids=[user_id])}}
