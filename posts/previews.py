"""Fills the previews of posts, the latest likers and comments in their documents.

A record has a few of the latest likers and comments. When the viewer may not see enough of them,
older ones are read from SQL in their place: so a preview is full at once after accounts were
deactivated, before their likes and comments are hidden in SQL and the records refreshed.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from typing import NamedTuple, TypeVar

from django.db import InterfaceError, OperationalError, connections, router

from core.sql import primary_reads
from posts.models import Like
from posts.records import LIKERS_KEPT, LIKERS_SHOWN, Record
from usergraph.visibility import VisiblePeople

logger = logging.getLogger(__name__)
Found = TypeVar("Found")
# So many of a post's latest likes and comments are searched for ones that the viewer may see.
SEARCHED = 64

_LATEST_LIKERS_SQL = f"""
SELECT asked.id, ARRAY(
    SELECT user_id FROM posts_like
    WHERE subject_id = asked.id AND is_shown ORDER BY id DESC LIMIT {SEARCHED}
)
FROM unnest(%s::bigint[]) AS asked (id)
"""  # noqa: S608  (a constant)

# (post_ids, number) -> the latest comments of each post, up to a number, newest first: of each its
# author's id and its document as JSON, without the author
CommentsReader = Callable[[Collection[int], int], Mapping[int, Sequence[tuple[int, bytes]]]]


class Preview(NamedTuple):
    """A post's record, and its likers in the order in which they are shown to a viewer."""

    record: Record
    liker_ids: Sequence[int]


def fill(
    posts: Mapping[int, Preview],
    people: VisiblePeople,
    *,
    followed: Set[int],
    visible: Callable[[Collection[int]], VisiblePeople],
    latest_comments: CommentsReader,
) -> tuple[dict[int, Preview], VisiblePeople]:
    """These previews by post, and these people, with others in the place of those whom `people`
    lacks.

    `visible` finds those of some ids whom the viewer may see. Up to SEARCHED latest likes and
    comments of a post are read: one query each, and only where a preview is short; then one round
    trip. While a database is down, its previews stay short.
    """
    seen = people.documents
    few_likers = [
        id_
        for id_, preview in posts.items()
        if preview.record.is_visible_to(people)
        and len(preview.liker_ids) == LIKERS_KEPT
        and sum(user_id in seen for user_id in preview.liker_ids) < LIKERS_SHOWN
    ]
    likers = _found(_latest_likers, few_likers)
    few_comments = [
        id_
        for id_, preview in posts.items()
        if preview.record.is_visible_to(people)
        and preview.record.comments > len(preview.record.recent_comments)
        and not all(author_id in seen for author_id, _ in preview.record.recent_comments)
    ]
    comments = _found(lambda ids: latest_comments(ids, SEARCHED), few_comments)
    found = {user_id for user_ids in likers.values() for user_id in user_ids}
    found.update(author_id for latest in comments.values() for author_id, _ in latest)
    if others := found - seen.keys():
        people |= visible(others)
    filled = dict(posts)
    for id_ in likers.keys() | comments.keys():
        record = posts[id_].record
        if id_ in likers:
            kept = [user_id for user_id in likers[id_] if user_id in people.documents]
            record = record._replace(liker_ids=tuple(kept[:LIKERS_KEPT]))
        if id_ in comments:
            shown = [comment for comment in comments[id_] if comment[0] in people.documents]
            number = len(record.recent_comments)
            record = record._replace(recent_comments=tuple(shown[:number]))
        filled[id_] = Preview(record, record.likers_shown(followed))
    return filled, people


def _found(
    read: Callable[[Collection[int]], Mapping[int, Sequence[Found]]], post_ids: Collection[int]
) -> Mapping[int, Sequence[Found]]:
    if not post_ids:
        return {}
    try:
        return read(post_ids)
    except (OperationalError, InterfaceError) as error:
        # One line: there are many such previews, and the drivers' texts have several.
        logger.warning("previews stay short: %s", " ".join(str(error).split()))
        return {}


def _latest_likers(post_ids: Collection[int]) -> dict[int, list[int]]:
    # As new as the record, which the primary has told.
    with primary_reads(), connections[router.db_for_read(Like)].cursor() as cursor:
        cursor.execute(_LATEST_LIKERS_SQL, [list(post_ids)])
        return dict(cursor.fetchall())
