"""Reads of Post Info. A post document is what every answer shows of a post (posts/records.py):

{"id", "author": {user}, "caption", "created_at", "edited_at", "comments_closed",
 "media": [{media}, …], "counts": {"likes", "comments"}, "viewer": {"liked"},
 "recent_likes": [{user}, …at most 3], "recent_comments": [{comment}, …at most 2]}
"""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections, router

from core.http.problems import NotFound
from core.ids import MAX_ID
from core.likes import likers_page as likers_of
from core.sql import primary_reads
from posts import store
from posts.models import Like, Post
from posts.records import Record, people_shown
from usergraph import selectors as graph_selectors
from users import selectors as user_selectors

_NO_POST = "There is no such post."

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


def existing_ids(*, post_ids: Collection[int]) -> set[int]:
    """Those of some posts that have not been deleted, whoever may see them; from the primary, one
    query.
    """
    with primary_reads():
        return set(Post.objects.filter(pk__in=post_ids).values_list("pk", flat=True))


def author_of(*, post_id: int) -> int | None:
    """The author of a post, whoever may see it; None when there is no such post."""
    return Post.objects.filter(pk=post_id).values_list("author_id", flat=True).first()


def post_documents(*, post_ids: Collection[int], viewer_id: int) -> dict[int, bytes]:
    """The documents of those posts that exist and whose authors are active, by id, as JSON.

    Warm: two round trips and no SQL, whatever their number; one more where likers are switched off
    and others take their places.
    """
    viewed = store.view(post_ids=post_ids, viewer_id=viewer_id)
    records = viewed.records
    likers = {id_: record.likers_shown(viewed.followed) for id_, record in records.items()}
    users = people_shown(
        [(record, likers[id_]) for id_, record in records.items()],
        documents_of=lambda user_ids: user_selectors.user_documents(user_ids=user_ids),
    )
    documents = {
        id_: records[id_].document(users, liked=id_ in viewed.liked, liker_ids=likers[id_])
        for id_ in post_ids
        if id_ in records
    }
    return {post_id: document for post_id, document in documents.items() if document is not None}


def post_document(*, post_id: int, viewer_id: int) -> bytes:
    """The document of one post, as JSON; raises `NotFound`."""
    document = post_documents(post_ids=[post_id], viewer_id=viewer_id).get(post_id)
    if document is None:
        raise NotFound(_NO_POST)
    return document


@dataclass(frozen=True)
class VisiblePost:
    """What others have to know of a post that is shown."""

    author_id: int
    comments_closed: bool

    def check(self, active: Container[int]) -> None:
        """Raises `NotFound` unless the author is among those who are active."""
        if self.author_id not in active:
            raise NotFound(_NO_POST)


def visible_post(*, post_id: int) -> VisiblePost:
    """A post that is shown; raises `NotFound`. Warm: two round trips and no SQL."""
    post = post_if_author(post_id=post_id)
    post.check(user_selectors.user_documents(user_ids=[post.author_id]))
    return post


def post_if_author(*, post_id: int) -> VisiblePost:
    """A post that is shown if its author is; raises `NotFound`. Warm: one round trip and no SQL.

    For a caller who looks up people anyway, the author among them, and then has it `check`ed.
    """
    packed = store.RECORDS.get([post_id])[post_id]
    if not packed:
        raise NotFound(_NO_POST)
    record = Record.unpack(packed)
    return VisiblePost(record.author_id, record.comments_closed)


def likers_page(
    *, post_id: int, viewer_id: int, after: int | None, limit: int
) -> tuple[list[int], int | None]:
    """Ids of those who like a post, those whom the viewer follows before all others, newest first.

    Also returns where to go on. Raises `NotFound` when the post is not shown.
    """
    visible_post(post_id=post_id)
    followed = graph_selectors.followed_ids(viewer_id=viewer_id)
    return likers_of(likes=Like, subject_id=post_id, first=followed, after=after, limit=limit)


def posts_by_author(
    *, author_id: int, viewer_id: int, before: int | None, limit: int
) -> tuple[list[bytes], int | None]:
    """Documents of an author's posts, newest first, found in SQL; and where to go on."""
    refs = post_refs(author_ids=[author_id], before=before, limit=limit + 1)
    ids = [post_id for post_id, _ in refs[:limit]]
    documents = post_documents(post_ids=ids, viewer_id=viewer_id)
    position = ids[-1] if len(refs) > limit else None
    return [documents[id_] for id_ in ids if id_ in documents], position


def post_count(*, author_ids: Sequence[int]) -> int:
    """How many posts some authors have, together."""
    return Post.objects.filter(author_id__in=author_ids).count()


def profile_part(user_id: int, viewer_id: int | None) -> dict[str, dict[str, Any]]:
    """What Post Info adds to a profile."""
    return {"counts": {"posts": post_count(author_ids=[user_id])}}
