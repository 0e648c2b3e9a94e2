"""Reads of Post Info. A post document is what every answer shows of a post (posts/records.py):

{"id", "author": {user}, "caption", "audience", "created_at", "edited_at", "comments_closed",
 "comments_from", "media": [{media}, …], "counts": {"likes", "comments"}, "viewer": {"liked"},
 "recent_likes": [{user}, …at most 3], "recent_comments": [{comment}, …at most 2]}
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NewType, cast

import orjson
from django.db import connections, router

from core.counters import counts, made_by
from core.http.problems import NotFound
from core.ids import MAX_ID
from core.sql import first_found, primary_reads
from media import selectors as media_selectors
from posts import store
from posts.models import Audience, Like, Post, WaitingPost
from posts.models import CommentsFrom as CommentsFrom  # noqa: PLC0414  (for other apps, too)
from posts.previews import CommentsReader, Preview, fill
from posts.records import ABSENT_RECORD, Record, people_shown
from usergraph import selectors as graph_selectors
from usergraph.visibility import Viewpoint, VisiblePeople, viewpoint_of, visible_people

PostJson = NewType("PostJson", bytes)
_comments_readers: list[CommentsReader] = []
_NO_POST = "There is no such post."

# The newest posts of many authors, from the index `post_by_author` alone. First a few posts of each
# author (`probe`), of which the last that fits on the page is the `bar`. Then, of those authors
# whose few are all above the bar, what else is above it (`deeper`). So it reads a few rows of each
# author and the rows that it returns, whatever the size of the table.
_REFS = """
WITH probe AS MATERIALIZED (
    SELECT post.id, author.id AS author_id
    FROM unnest(%(author_ids)s::bigint[]) AS author (id)
    CROSS JOIN LATERAL (
        SELECT id FROM posts_post
        WHERE author_id = author.id AND id < %(before)s AND id > %(since)s {and_visible}
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
        {and_visible}
    ORDER BY id DESC
    LIMIT %(limit)s
) AS post
ORDER BY id DESC
LIMIT %(limit)s
"""
_REFS_SQL = _REFS.format(and_visible="")
# It reads the rows, too, and all of those that it leaves out.
_VISIBLE_REFS_SQL = _REFS.format(
    and_visible=f"AND (audience = '{Audience.EVERYONE}' OR author_id = ANY(%(friendly_ids)s))"
)


def post_refs(
    *,
    author_ids: Sequence[int],
    before: int | None,
    limit: int,
    since: int = 0,
    viewer_id: int | None = None,
) -> list[tuple[int, int]]:
    """Posts between `since` and `before` as (post_id, author_id), newest first; one query.

    `viewer_id`: leaves out the posts for close friends that this viewer may not see, after a round
    trip. None: leaves out none.
    """
    if not author_ids:
        return []
    sql, parameters = _REFS_SQL, _refs_parameters(author_ids, before, limit, since)
    if viewer_id is not None:
        friendly_ids = viewpoint_of(viewer_id=viewer_id).friendly_authors(author_ids)
        sql, parameters["friendly_ids"] = _VISIBLE_REFS_SQL, list(friendly_ids)
    with connections[router.db_for_read(Post)].cursor() as cursor:
        cursor.execute(sql, parameters)
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
    """Those of some posts that are not deleted, visible or not; from the primary, one query."""
    with primary_reads():
        return set(Post.objects.filter(pk__in=post_ids).values_list("pk", flat=True))


def author_of(*, post_id: int) -> int | None:
    """The author of a post, visible or not; None if there is no such post."""
    return Post.objects.filter(pk=post_id).values_list("author_id", flat=True).first()


def is_for_close_friends(*, post_id: int) -> bool:
    """Whether a post is for close friends; False if there is no such post."""
    return Post.objects.filter(pk=post_id, audience=Audience.CLOSE_FRIENDS).exists()


def post_documents(
    *, post_ids: Sequence[int], viewer_id: int, at_most: int | None = None
) -> dict[int, PostJson]:
    """The documents of those posts that exist and that the viewer may see, by id, in their order.

    `at_most`: only so many are wanted. The others take the places of posts that do not exist or are
    hidden, for one round trip more: fewer documents are returned only if all posts were tried.

    Warm: two round trips and no SQL. If others take the places of hidden people, one or two more,
    and two queries where a record has not enough others (posts/previews.py). For a hidden post it
    does the same, and so takes as long, as for one that does not exist.
    """
    wanted = post_ids[:at_most]
    others = post_ids[len(wanted) :]
    viewed = store.view(post_ids=wanted, viewer_id=viewer_id)
    viewpoint, followed = viewed.viewpoint, viewed.viewpoint.followed.listed
    liked, shown = viewed.liked, _shown_records(wanted, viewed.records, viewpoint)
    if at_most is not None and others and ABSENT_RECORD in shown.values():
        more = store.view(post_ids=others, viewer_id=viewer_id)
        liked |= more.liked
        shown |= _shown_records(others, more.records, more.viewpoint)
        shown = _first(shown, at_most)
    posts = {id_: Preview(record, record.likers_shown(followed)) for id_, record in shown.items()}

    authors = {record.author_id for record, _ in posts.values()}

    def visible(user_ids: Collection[int]) -> VisiblePeople:
        return visible_people(
            viewer_id=viewer_id,
            user_ids=user_ids,
            author_ids=authors.intersection(user_ids),
            viewpoint=viewpoint,
        )

    people, is_whole = people_shown(posts.values(), visible=visible)
    if not is_whole:
        posts, people = fill(
            posts,
            people,
            followed=followed,
            visible=visible,
            latest_comments=_latest_comments,
        )
    documents: dict[int, bytes] = {}
    for id_, (record, liker_ids) in posts.items():
        document = record.document(people, liked=id_ in liked, liker_ids=liker_ids)
        if document is not None:
            documents[id_] = document
    untried = post_ids[len(shown) :]
    if at_most is not None and untried and len(documents) < at_most:
        # Some authors were hidden: accounts that are private or deactivated.
        left = at_most - len(documents)
        documents |= post_documents(post_ids=untried, viewer_id=viewer_id, at_most=left)
    return cast("dict[int, PostJson]", documents)


def _shown_records(
    post_ids: Sequence[int], records: Mapping[int, Record], viewpoint: Viewpoint
) -> dict[int, Record]:
    """The records of posts, by id; ABSENT_RECORD for a post that does not exist, that a block hides
    or that is for close friends of others.
    """
    authors = {record.author_id for record in records.values()}
    left_out, friendly = viewpoint.hidden.among(authors), viewpoint.friendly_authors(authors)
    shown = {}
    for id_ in post_ids:
        record = records.get(id_, ABSENT_RECORD)
        author_id = record.author_id
        is_for_others = record.for_close_friends and author_id not in friendly
        shown[id_] = ABSENT_RECORD if author_id in left_out or is_for_others else record
    return shown


def _first(shown: Mapping[int, Record], number: int) -> dict[int, Record]:
    """The first of some records until there are `number` that are not absent."""
    first = {}
    for id_, record in shown.items():
        if number == 0:
            break
        first[id_] = record
        number -= record is not ABSENT_RECORD
    return first


def add_comments_reader(reader: CommentsReader) -> None:
    """Let Commenting, an app above, read further comments for the previews of posts."""
    _comments_readers.append(reader)


def _latest_comments(
    post_ids: Collection[int], number: int
) -> dict[int, Sequence[tuple[int, bytes]]]:
    found: dict[int, Sequence[tuple[int, bytes]]] = {}
    for reader in _comments_readers:
        found |= reader(post_ids, number)
    return found


def post_document(*, post_id: int, viewer_id: int) -> PostJson:
    """The document of one post; raises `NotFound`."""
    document = post_documents(post_ids=[post_id], viewer_id=viewer_id).get(post_id)
    if document is None:
        raise NotFound(_NO_POST)
    return document


@dataclass(frozen=True)
class VisiblePost:
    """A post that `viewer_id` may see. `UncheckedPost.visible_to` makes it."""

    post_id: int
    viewer_id: int
    author_id: int
    comments_closed: bool
    comments_from: str


def post_counts(*, post_id: int) -> dict[str, int]:
    """The counts of a post that its caller may see; raises `NotFound`. Warm: one round trip."""
    record = _record(post_id)
    if record is None:
        raise NotFound(_NO_POST)
    return {"likes": record.likes, "comments": record.comments}


def _record(post_id: int) -> Record | None:
    return store.RECORDS.get([post_id]).get(post_id)


class UncheckedPost:
    """A post that may be hidden, or not exist. It tells only its author, so that callers can ask
    `visible_people` about that one.

    The author of one that does not exist is 0, who is nobody: callers go on in the same way, so
    that it takes as long to say of a hidden post that it is not there.
    """

    def __init__(self, post_id: int, record: Record | None) -> None:
        self.author_id = record.author_id if record else 0
        self.__post_id, self.__record = post_id, record

    def visible_to(self, people: VisiblePeople) -> VisiblePost:
        """The post, if it exists and the viewer of `people` may see it; else raises `NotFound`."""
        if self.__record is None or not self.__record.is_visible_to(people):
            raise NotFound(_NO_POST)
        return VisiblePost(
            self.__post_id,
            people.viewer_id,
            self.author_id,
            self.__record.comments_closed,
            self.__record.comments_from,
        )


def unchecked_post(*, post_id: int) -> UncheckedPost:
    """A post; warm, one round trip and no SQL.

    For a caller who asks `visible_people` for others too, and so asks for the author along with
    them.
    """
    return UncheckedPost(post_id, _record(post_id))


def visible_post(*, post_id: int, viewer_id: int) -> VisiblePost:
    """A post that the viewer may see; raises `NotFound`. Warm: two round trips and no SQL."""
    post = unchecked_post(post_id=post_id)
    author = [post.author_id]
    return post.visible_to(visible_people(viewer_id=viewer_id, user_ids=author, author_ids=author))


def likers_page(
    *, post_id: int, viewer_id: int, after: str | None, limit: int
) -> tuple[list[orjson.Fragment], str | None]:
    """Those who like a post, as `usergraph.selectors.likers_page` finds them.

    Raises `NotFound` if the viewer may not see the post.
    """
    post = visible_post(post_id=post_id, viewer_id=viewer_id)
    return graph_selectors.likers_page(
        likes=Like, subject_id=post.post_id, viewer_id=viewer_id, after=after, limit=limit
    )


def posts_by_author(
    *, author_id: int, viewer_id: int, before: int | None, limit: int
) -> tuple[list[PostJson], int | None]:
    """An author's posts, newest first, from SQL; and the next page's cursor, None at the end."""
    refs = post_refs(author_ids=[author_id], before=before, limit=limit + 1, viewer_id=viewer_id)
    ids = [post_id for post_id, _ in refs[:limit]]
    documents = post_documents(post_ids=ids, viewer_id=viewer_id)
    cursor = ids[-1] if len(refs) > limit else None
    return [documents[id_] for id_ in ids if id_ in documents], cursor


def waiting_post_document(*, waiting_post_id: int, author_id: int) -> dict[str, Any]:
    """A waiting post of an author, published or not; raises `NotFound` for others:

    {"id", "state": "waiting", "failed" or "published", "caption", "audience", "created_at",
     "media": [{media with its `state`}, …], "post_id": of what it has become, or None}
    """
    mine = WaitingPost.objects.filter(pk=waiting_post_id, author_id=author_id)

    def read() -> dict[str, Any] | None:
        return next(iter(_waiting_documents(list(mine))), None)

    document = first_found(read)
    if document is None:
        raise NotFound("You have no such waiting post.")
    return document


def waiting_post_documents(
    *, author_id: int, before: int | None, limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """An author's waiting posts that are not published, newest first; and the next page's cursor,
    None at the end.
    """
    mine = WaitingPost.objects.filter(author_id=author_id, post_id=None)
    below = mine.filter(pk__lt=MAX_ID if before is None else before)
    rows = list(below.order_by("-pk")[: limit + 1])
    cursor = rows[limit - 1].pk if len(rows) > limit else None
    return _waiting_documents(rows[:limit]), cursor


def _waiting_documents(rows: Sequence[WaitingPost]) -> list[dict[str, Any]]:
    held = media_selectors.held_documents(
        media_ids={row.pk: row.media_ids for row in rows if row.post_id is None}
    )
    if any(_has_failed(media) for media in held.values()):
        # Perhaps one was published or changed in between, and does not hold these any more.
        now = list(WaitingPost.objects.filter(pk__in=[row.pk for row in rows]).order_by("-pk"))
        if list(map(_version, now)) != list(map(_version, rows)):
            return _waiting_documents(now)
    return [_waiting_document(row, held.get(row.pk, [])) for row in rows]


def _version(row: WaitingPost) -> tuple[object, ...]:
    return row.pk, row.media_ids, row.post_id


def _has_failed(media: Sequence[dict[str, Any]]) -> bool:
    return any(each["state"] == "failed" for each in media)


def _waiting_document(row: WaitingPost, media: Sequence[dict[str, Any]]) -> dict[str, Any]:
    state = "failed" if _has_failed(media) else "waiting"
    return {
        "id": str(row.pk),
        "state": state if row.post_id is None else "published",
        "caption": row.caption,
        "audience": row.audience,
        "created_at": row.created_at,
        "media": media,
        "post_id": None if row.post_id is None else str(row.post_id),
    }


def post_count(*, author_ids: Sequence[int]) -> int:
    """The number of posts of some authors together, without those for close friends, which not
    everybody may know of; one query of exact counters.
    """
    subjects = [made_by(author_id) for author_id in author_ids]
    found = counts(database=router.db_for_read(Post), subject_ids=subjects)
    return sum(max(0, count) for count in found.values())


def profile_part(user_id: int, viewer_id: int) -> dict[str, dict[str, Any]]:
    """What Post Info adds to a profile."""
    return {"counts": {"posts": post_count(author_ids=[user_id])}}
