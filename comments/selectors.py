"""Reads of Commenting. A comment document is what an answer shows of a comment:

    {"id", "author": {user}, "text", "created_at", "edited_at", "reply_to",
     "counts": {"likes", "replies"}, "viewer": {"liked", "may_approve"}}

As part of its post's document, a comment has neither `counts` nor `viewer`. A viewer who may see a
post may see those comments on it whose authors the viewer may see. Of those that are held back
(`comments.held`), lists show the viewer's own; the author of the post may see the others, too.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import orjson
from django.db import connections, router

from comments.models import Comment, CommentLike
from core.cached_values import VERSION_SQL
from core.counters import count_sql, counts, replies_to
from core.http.problems import NotFound
from core.ids import MAX_ID
from core.sql import first_found, primary_reads
from posts import selectors as post_selectors
from posts.selectors import VisiblePost
from usergraph import selectors as graph_selectors
from usergraph.visibility import VisiblePeople, is_hidden, viewpoint_of, visible_people

Found = TypeVar("Found")
RECENT = 2  # the number of comments in a post's document
# A page leaves out comments whose authors are hidden, and reads on to replace them: at most
# MAX_ROUNDS times, NEXT_STEP rows each time after the first.
MAX_ROUNDS, NEXT_STEP = 4, 200
_NO_COMMENT = "There is no such comment."

# The inner query chooses the rows, so that counts and likes are read for these only. Replies to a
# comment are counted under the negative of its id (core.counters.replies_to); a reply has none.
PAGE_SQL = f"""
SELECT comment.id, comment.author_id, comment.text, comment.created_at, comment.edited_at,
    comment.reply_to_id, {count_sql("comment.id")},
    CASE WHEN comment.reply_to_id IS NULL THEN {count_sql("-comment.id")} ELSE 0 END,
    mine.id IS NOT NULL, comment.post_id, comment.held_for
FROM (
    SELECT * FROM comments_comment WHERE {{which}}
    ORDER BY {{of}} {{direction}}, id {{direction}} LIMIT %(limit)s
) AS comment
LEFT JOIN comments_commentlike AS mine
    ON mine.user_id = %(viewer_id)s AND mine.subject_id = comment.id
ORDER BY comment.id {{direction}}
"""  # noqa: S608  (constants)
# The comments of a post, or replies to a comment, between two ids. Compared as pairs, because only
# an index of both columns has that order. With `post_id = ...` the planner may walk the ids of all
# comments, when it believes that those of a busy post are everywhere among them.
_BETWEEN = """({of}, id) > (%(of)s, %(above)s) AND ({of}, id) < (%(of)s, %(below)s)
AND (is_shown OR (held_for IS NOT NULL AND author_id = %(viewer_id)s))"""
_TOP_LEVEL = f"{_BETWEEN} AND reply_to_id IS NULL"
# A comment and its replies are on one post; this is asked once, and not of each reply.
_REPLIES = f"""{_BETWEEN} AND reply_to_id IS NOT NULL
AND EXISTS (SELECT FROM comments_comment WHERE id = %(of)s AND post_id = %(post_id)s)"""
_LATEST = f"""
LATERAL (
    SELECT id, author_id, text, created_at, edited_at, reply_to_id FROM comments_comment
    WHERE (post_id, id) > (post.id, 0) AND (post_id, id) < (post.id, {MAX_ID}) AND is_shown
    ORDER BY post_id DESC, id DESC LIMIT %(number)s
) AS latest
"""  # noqa: S608  (a constant)
_SUMMARY_SQL = f"""
SELECT {VERSION_SQL}, {count_sql("post.id")}, latest.*
FROM (SELECT %(post_id)s::bigint AS id) AS post
LEFT JOIN {_LATEST} ON TRUE
"""  # noqa: S608  (a constant)
_LATEST_SQL = f"""
SELECT post.id, latest.* FROM unnest(%(post_ids)s::bigint[]) AS post (id) CROSS JOIN {_LATEST}
ORDER BY latest.id DESC
"""  # noqa: S608  (a constant)


@dataclass(frozen=True)
class Summary:
    """The number of a post's comments, and the latest, newest first, at a `version`
    (core.cached_values).

    Each of `recent` is `{"author_id", "document": {…, without the author}}`.
    """

    version: int
    count: int
    recent: list[dict[str, Any]]


def summary(*, post_id: int) -> Summary:
    """The summary of a post's comments, from the primary; one query, whatever their number."""
    with connections[router.db_for_write(Comment)].cursor() as cursor:
        cursor.execute(_SUMMARY_SQL, {"post_id": post_id, "number": RECENT})
        rows = cursor.fetchall()
    version, count = rows[0][:2]
    recent = [
        {"author_id": author_id, "document": _described(id_, *columns)}
        for _, _, id_, author_id, *columns in rows
        if id_ is not None
    ]
    return Summary(version, max(0, int(count)), recent)


def latest_comments(post_ids: Collection[int], number: int) -> dict[int, list[tuple[int, bytes]]]:
    """The latest comments of some posts, up to a number of each, as new as their summaries.

    By post, newest first; of each its author's id and its document as JSON, without the author,
    counts and viewer. Of visible and of hidden authors. One query.
    """
    found: dict[int, list[tuple[int, bytes]]] = {}
    with primary_reads():
        rows = read_rows(_LATEST_SQL, {"post_ids": list(post_ids), "number": number})
    for post_id, id_, author_id, *columns in rows:
        comment = author_id, orjson.dumps(_described(id_, *columns))
        found.setdefault(post_id, []).append(comment)
    return found


def _described(
    id_: int, text: str, created_at: datetime, edited_at: datetime | None, reply_to: int | None
) -> dict[str, Any]:
    """The document of a comment without the author, counts and viewer."""
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
    top_level: bool = False,
    after: int | None,
    limit: int,
) -> tuple[list[dict[str, Any]], int | None]:
    """The documents of a post's comments, replies among them, in order of time.

    `reply_to`: only the replies to this comment; else, `top_level`: no replies. Also returns the
    cursor of the next page, None at the end. Raises `NotFound` if the viewer may not see the post.
    A page is short at the end, and where very many comments in a row are hidden.
    """
    post = post_selectors.visible_post(post_id=post_id, viewer_id=viewer_id)
    parameters = {"viewer_id": viewer_id, "post_id": post_id}
    if reply_to is not None:
        of, which = "reply_to_id", _REPLIES
        answered = unchecked_comment(comment_id=reply_to)
        is_there = not is_hidden(viewer_id=viewer_id, user_id=answered.author_id)
        parameters["of"] = reply_to if is_there else 0
    else:
        of, which = "post_id", _TOP_LEVEL if top_level else _BETWEEN
        parameters["of"] = post_id
    direction = "DESC" if newest_first else "ASC"
    sql = PAGE_SQL.format(which=which.format(of=of), of=of, direction=direction)

    def read(cursor: int | None, wanted: int) -> list[Any]:
        above, below = (0, cursor or MAX_ID) if newest_first else (cursor or 0, MAX_ID)
        return read_rows(sql, parameters | {"above": above, "below": below, "limit": wanted})

    return full_page(viewer_id, read, partial(_documents, post), after, limit)


def full_page(
    viewer_id: int,
    read: Callable[[int | None, int], list[Any]],
    documents: Callable[[Sequence[Any], VisiblePeople], Iterable[tuple[int, dict[str, Any]]]],
    after: int | None,
    limit: int,
) -> tuple[list[dict[str, Any]], int | None]:
    """A page of the comments that `read` reads after a cursor, and the next page's cursor.

    `documents`: of those rows that are visible, the comment's id and what the page shows of it.
    """
    page: list[tuple[int, dict[str, Any]]] = []
    wanted = limit + 1
    for _ in range(MAX_ROUNDS):
        rows = read(after, wanted)
        people = visible_people(viewer_id=viewer_id, user_ids=_authors(rows))
        page += documents(rows, people)
        if len(page) > limit:
            page = page[:limit]
            after = page[-1][0]
            break
        if len(rows) < wanted:
            after = None
            break
        after, wanted = rows[-1][0], NEXT_STEP
    return [document for _, document in page], after


def comment_document(*, comment_id: int, viewer_id: int) -> dict[str, Any]:
    """The document of one comment; raises `NotFound` if the viewer may not see it or its post.

    It goes the same way if there is no such comment, and so takes as long.
    """

    def read() -> dict[str, Any]:
        _, post, people = _visible(comment_id, viewer_id)
        # Only now: to count the likes and replies takes time.
        return _only_document(_rows_of_comment(comment_id, viewer_id), post, people)

    return _found(read)


def _found(read: Callable[[], Found]) -> Found:
    """Calls `read`, and again on the primary if it finds nothing on a replica. Raises the same
    `NotFound` for a comment that does not exist and for one on a hidden post.
    """

    def read_or_none() -> Found | None:
        try:
            return read()
        except NotFound:
            return None

    found = first_found(read_or_none)
    if found is None:
        raise NotFound(_NO_COMMENT)
    return found


def comment_document_on(*, post: VisiblePost, comment_id: int) -> dict[str, Any]:
    """The document of one comment on a post that is visible, for the same viewer.

    Raises `NotFound` if there is no such comment on the post, or the viewer may not see it.
    """
    rows = _rows_of_comment(comment_id, post.viewer_id)
    people = visible_people(viewer_id=post.viewer_id, user_ids=_authors(rows))
    return _only_document(rows, post, people)


def _rows_of_comment(comment_id: int, viewer_id: int) -> list[Any]:
    """One row of PAGE_SQL, or none."""
    sql = PAGE_SQL.format(which="id = %(id)s", of="post_id", direction="ASC")
    parameters = {"id": comment_id, "viewer_id": viewer_id, "limit": 1}
    return read_rows(sql, parameters)


def read_rows(sql: str, parameters: Mapping[str, Any]) -> list[Any]:
    with connections[router.db_for_read(Comment)].cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def _authors(rows: Sequence[Any]) -> set[int]:
    return {row[1] for row in rows}


def _only_document(rows: Sequence[Any], post: VisiblePost, people: VisiblePeople) -> dict[str, Any]:
    """The document of the one comment in `rows`; raises `NotFound` if it is not visible."""
    documents = _documents(post, rows, people)
    if not documents:
        raise NotFound(_NO_COMMENT)
    return documents[0][1]


def _documents(
    post: VisiblePost, rows: Sequence[Any], people: VisiblePeople
) -> list[tuple[int, dict[str, Any]]]:
    """The ids and documents of those comments on a visible post that are visible too."""
    shown = shown_documents(rows, people)
    return [(id_, document) for id_, post_id, document in shown if post_id == post.post_id]


def shown_documents(
    rows: Sequence[Any], people: VisiblePeople
) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Of those comments, whose posts are visible, that are visible too: the id, the post's id, and
    the document.
    """
    users, viewer_id = people.documents, people.viewer_id
    for id_, author_id, *columns, likes, replies, liked, post_id, held_for in rows:
        if author_id in users and (held_for in (None, viewer_id) or author_id == viewer_id):
            document = _described(id_, *columns) | {
                "author": orjson.Fragment(users[author_id]),
                "counts": {"likes": max(0, int(likes)), "replies": max(0, int(replies))},
                "viewer": {"liked": liked, "may_approve": held_for == viewer_id},
            }
            yield id_, post_id, document


def comment_counts(*, comment_id: int) -> dict[str, int]:
    """The counts of a comment that its caller may see, from the primary; one query."""
    subjects = {"likes": comment_id, "replies": replies_to(comment_id)}
    found = counts(database=router.db_for_write(Comment), subject_ids=list(subjects.values()))
    return {name: max(0, found[subject_id]) for name, subject_id in subjects.items()}


@dataclass(frozen=True)
class VisibleComment:
    """A comment that a viewer may see, and its post too. `UncheckedComment.visible_to` makes it."""

    comment_id: int
    post_id: int
    author_id: int
    post_author_id: int


@dataclass(frozen=True)
class UncheckedComment:
    """A comment before it is known whether the viewer may see it.

    For one that does not exist, the ids of the post and the author are 0: see `UncheckedPost`.
    """

    comment_id: int
    post_id: int
    author_id: int
    held_for: int | None = None

    def visible_to(self, people: VisiblePeople, post: VisiblePost) -> VisibleComment:
        """The comment, if the viewer of `people` and `post` may see it; else raises `NotFound`.

        Raises ValueError if the post is another one, or visible to another viewer.
        """
        if (self.post_id, people.viewer_id) != (post.post_id, post.viewer_id):
            raise ValueError("a comment is checked with its own post, for one viewer")
        is_held = self.held_for not in (None, people.viewer_id)
        if self.author_id not in people.documents or (
            is_held and self.author_id != people.viewer_id
        ):
            raise NotFound(_NO_COMMENT)
        return VisibleComment(self.comment_id, post.post_id, self.author_id, post.author_id)


def unchecked_comment(*, comment_id: int) -> UncheckedComment:
    """A comment, whether or not it exists."""
    rows = Comment.objects.filter(pk=comment_id).values_list("post_id", "author_id", "held_for")
    return UncheckedComment(comment_id, *(rows.first() or (0, 0)))


def visible_comment(*, comment_id: int, viewer_id: int) -> VisibleComment:
    """A comment, if the viewer may see both it and its post; else raises `NotFound`."""
    return _found(lambda: _visible(comment_id, viewer_id)[0])


def _visible(comment_id: int, viewer_id: int) -> tuple[VisibleComment, VisiblePost, VisiblePeople]:
    """A comment and its post, if the viewer may see both, and their authors; else `NotFound`.

    A comment by somebody whom a block hides is treated as none before its post is read.
    """
    viewpoint = viewpoint_of(viewer_id=viewer_id)
    comment = unchecked_comment(comment_id=comment_id)
    if comment.author_id in viewpoint.hidden.among([comment.author_id]):
        comment = UncheckedComment(comment_id, 0, 0)
    post = post_selectors.unchecked_post(post_id=comment.post_id)
    people = visible_people(
        viewer_id=viewer_id,
        user_ids={post.author_id, comment.author_id},
        author_ids=[post.author_id],
        viewpoint=viewpoint,
    )
    visible_post = post.visible_to(people)
    return comment.visible_to(people, visible_post), visible_post, people


def existing_ids(*, comment_ids: Collection[int]) -> set[int]:
    """Those of some comments that are not deleted, from the primary; one query."""
    with primary_reads():
        return set(Comment.objects.filter(pk__in=comment_ids).values_list("pk", flat=True))


def likers_page(
    *, comment_id: int, viewer_id: int, after: str | None, limit: int
) -> tuple[list[orjson.Fragment], str | None]:
    """Those who like a comment, as `usergraph.selectors.likers_page` finds them.

    Raises `NotFound` if the viewer may not see the comment or its post.
    """
    comment = visible_comment(comment_id=comment_id, viewer_id=viewer_id)
    return graph_selectors.likers_page(
        likes=CommentLike,
        subject_id=comment.comment_id,
        viewer_id=viewer_id,
        after=after,
        limit=limit,
    )
