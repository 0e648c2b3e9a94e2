"""Reads of Commenting. A comment document is what the comments' own answers show of one:

    {"id", "author": {user}, "text", "created_at", "edited_at", "reply_to",
     "counts": {"likes"}, "viewer": {"liked"}}

With its post, a comment is shown without the last two. Whoever may see a post may see its comments,
but for those of authors who are switched off.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db import connections, router

from comments.models import Comment, CommentLike
from core.cached_values import VERSION_SQL
from core.counters import count_sql
from core.http.problems import NotFound
from core.ids import MAX_ID
from core.likes import likers_page as likers_of
from core.sql import first_found, primary_reads
from posts import selectors as post_selectors
from usergraph import selectors as graph_selectors
from users import selectors as user_selectors

RECENT = 2  # comments that are shown with their post
# A page leaves out comments of accounts that are switched off, and makes up for them: so often,
# from so many rows.
MAX_ROUNDS, NEXT_STEP = 4, 200
_NO_COMMENT = "There is no such comment."

# The rows are chosen first, so that nothing is looked up for those that are not.
_PAGE_SQL = f"""
SELECT comment.id, comment.author_id, comment.text, comment.created_at, comment.edited_at,
    comment.reply_to_id, {count_sql("comment.id")}, mine.id IS NOT NULL, comment.post_id
FROM (
    SELECT * FROM comments_comment WHERE {{which}} ORDER BY id {{direction}} LIMIT %(limit)s
) AS comment
LEFT JOIN comments_commentlike AS mine
    ON mine.user_id = %(viewer_id)s AND mine.subject_id = comment.id
ORDER BY comment.id {{direction}}
"""  # noqa: S608  (constants)
_ONE = "id = %(id)s"
_OF_POST = "post_id = %(post_id)s AND id > %(above)s AND id < %(below)s"
_ONLY_REPLIES = "AND reply_to_id = %(reply_to)s"
_SUMMARY_SQL = f"""
SELECT {VERSION_SQL}, {count_sql("post.id")}, recent.*
FROM (SELECT %(post_id)s::bigint AS id) AS post
LEFT JOIN LATERAL (
    SELECT id, author_id, text, created_at, edited_at, reply_to_id FROM comments_comment
    WHERE post_id = post.id ORDER BY id DESC LIMIT {RECENT}
) AS recent ON TRUE
"""  # noqa: S608  (a constant)


@dataclass(frozen=True)
class Summary:
    """What a post shows of its comments, as of a version (core.cached_values).

    `recent`: the latest, newest first: `{"author_id", "document": {…, but for the author}}`.
    """

    version: int
    count: int
    recent: list[dict[str, Any]]


def summary(*, post_id: int) -> Summary:
    """The comments of a post in short, from the primary; one query, however many they are."""
    with connections[router.db_for_write(Comment)].cursor() as cursor:
        cursor.execute(_SUMMARY_SQL, {"post_id": post_id})
        rows = cursor.fetchall()
    version, count = rows[0][:2]
    recent = [
        {"author_id": author_id, "document": _described(id_, *columns)}
        for _, _, id_, author_id, *columns in rows
        if id_ is not None
    ]
    return Summary(version, max(0, int(count)), recent)


def _described(
    id_: int, text: str, created_at: datetime, edited_at: datetime | None, reply_to: int | None
) -> dict[str, Any]:
    """What is shown of a comment besides the people."""
    return {
        "id": str(id_),
        "text": text,
        "created_at": _time(created_at),
        "edited_at": _time(edited_at) if edited_at else None,
        "reply_to": str(reply_to) if reply_to else None,
    }


def _time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def comment_page(
    *,
    post_id: int,
    viewer_id: int,
    newest_first: bool,
    reply_to: int | None = None,
    after: int | None,
    limit: int,
) -> tuple[list[dict[str, Any]], int | None]:
    """Documents of a post's comments in order of time, and where to go on, None at the end.

    Replies stand among them; `reply_to`: only those to this comment. Raises `NotFound` when the
    post is not shown. A page is short at the end, and where very many in a row are not shown.
    """
    post = post_selectors.post_if_author(post_id=post_id)
    sql = _PAGE_SQL.format(
        which=f"{_OF_POST} {_ONLY_REPLIES if reply_to else ''}",
        direction="DESC" if newest_first else "ASC",
    )
    parameters = {"post_id": post_id, "viewer_id": viewer_id, "reply_to": reply_to}
    page: list[dict[str, Any]] = []
    position: int | None = after
    wanted = limit + 1
    for _ in range(MAX_ROUNDS):
        above, below = (0, position or MAX_ID) if newest_first else (position or 0, MAX_ID)
        rows = _read(sql, parameters | {"above": above, "below": below, "limit": wanted})
        users = user_selectors.user_documents(user_ids={post.author_id, *_authors(rows)})
        post.check(users)
        page += _documents(rows, users)
        if len(page) > limit:
            return page[:limit], int(page[limit - 1]["id"])
        if len(rows) < wanted:
            return page, None
        position, wanted = rows[-1][0], NEXT_STEP
    return page, position


def comment_document(
    *, comment_id: int, viewer_id: int, is_post_shown: bool = False
) -> dict[str, Any]:
    """The document of one comment; raises `NotFound` when it, or its post, is not shown.

    `is_post_shown`: the caller knows that already.
    """
    sql = _PAGE_SQL.format(which=_ONE, direction="ASC")
    parameters = {"id": comment_id, "viewer_id": viewer_id, "limit": 1}
    rows = first_found(lambda: _read(sql, parameters) or None)
    if rows is None:
        raise NotFound(_NO_COMMENT)
    if not is_post_shown:
        post_selectors.visible_post(post_id=rows[0][-1])
    documents = _documents(rows, user_selectors.user_documents(user_ids=_authors(rows)))
    if not documents:
        raise NotFound(_NO_COMMENT)
    return documents[0]


def _read(sql: str, parameters: Mapping[str, Any]) -> list[Any]:
    with connections[router.db_for_read(Comment)].cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def _authors(rows: Sequence[Any]) -> set[int]:
    return {row[1] for row in rows}


def _documents(rows: Sequence[Any], users: Mapping[int, bytes]) -> list[dict[str, Any]]:
    return [
        _described(id_, *columns)
        | {
            "author": orjson.Fragment(users[author_id]),
            "counts": {"likes": max(0, int(likes))},
            "viewer": {"liked": liked},
        }
        for id_, author_id, *columns, likes, liked, _ in rows
        if author_id in users
    ]


@dataclass(frozen=True)
class VisibleComment:
    """Whose comment it is, on whose post."""

    post_id: int
    author_id: int
    post_author_id: int


def visible_comment(*, comment_id: int) -> VisibleComment:
    """A comment that is shown, as its post is; raises `NotFound`."""
    rows = Comment.objects.filter(pk=comment_id).values_list("post_id", "author_id")
    found = first_found(rows.first)
    if found is None:
        raise NotFound(_NO_COMMENT)
    post_id, author_id = found
    post = post_selectors.visible_post(post_id=post_id)
    if not user_selectors.user_documents(user_ids=[author_id]):
        raise NotFound(_NO_COMMENT)
    return VisibleComment(post_id, author_id, post.author_id)


def existing_ids(*, comment_ids: Collection[int]) -> set[int]:
    """Those of some comments that have not been deleted, from the primary; one query."""
    with primary_reads():
        return set(Comment.objects.filter(pk__in=comment_ids).values_list("pk", flat=True))


def likers_page(
    *, comment_id: int, viewer_id: int, after: int | None, limit: int
) -> tuple[list[int], int | None]:
    """Ids of those who like a comment, those whom the viewer follows before all others.

    Also returns where to go on. Raises `NotFound` when the comment is not shown.
    """
    visible_comment(comment_id=comment_id)
    followed = graph_selectors.followed_ids(viewer_id=viewer_id)
    return likers_of(
        likes=CommentLike, subject_id=comment_id, first=followed, after=after, limit=limit
    )
