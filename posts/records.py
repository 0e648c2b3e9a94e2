"""The record of a post: all that an answer shows of it, with the ids of people in their place.

It is cached packed, big-endian, with ready JSON inside, so that showing a post parses nothing:

    author id, likes, comments      8 bytes each
    closed for comments             1 byte
    for close friends only          1 byte
    who may comment                 1 byte: its place in COMMENTS_FROM
    numbers of likers, of comments  1 byte each
    length of the withheld media    4 bytes
    ids of the latest likers        8 bytes each, newest first
    a latest comment, newest first  author id 8 bytes, length 2 bytes, JSON without the author
    the withheld media              JSON; nothing if all media are public
    the post                        JSON members without the braces; with its media, if all of them
                                    are public
"""

import struct
from collections.abc import Callable, Collection, Sequence, Set
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from django.db import connections, router

from core.cached_values import VERSION_SQL, Versioned
from core.counters import count_sql
from media import selectors as media_selectors
from posts.models import Audience, CommentsFrom, Post
from usergraph.visibility import VisiblePeople

# A record has more likers than are shown, so that those whom the viewer follows can come first.
LIKERS_KEPT = 8
LIKERS_SHOWN = 3

_HEAD = struct.Struct(">qqq??BBBI")
COMMENTS_FROM = CommentsFrom.values
_ID = struct.Struct(">q")
_LIKERS = [struct.Struct(f">{number}q") for number in range(256)]  # one for each value of a byte
_COMMENT_HEAD = struct.Struct(">qH")

# One statement, and so one snapshot. Its cost does not grow with the number of likes or comments.
_RECORDS_SQL = f"""
SELECT asked.id, {VERSION_SQL}, post.author_id, post.caption, post.audience,
    post.comments_closed, post.comments_from,
    post.created_at, post.edited_at, {count_sql("asked.id")}, summary.count, summary.recent,
    ARRAY(
        SELECT user_id FROM posts_like
        WHERE subject_id = asked.id AND is_shown ORDER BY id DESC LIMIT {LIKERS_KEPT}
    )
FROM unnest(%s::bigint[]) AS asked (id)
LEFT JOIN posts_post AS post ON post.id = asked.id
LEFT JOIN LATERAL (
    SELECT count, recent FROM posts_commentsummary
    WHERE post_id = asked.id ORDER BY version DESC LIMIT 1
) AS summary ON TRUE
"""  # noqa: S608  (a constant)


class Record(NamedTuple):
    """What an answer shows of a post. `recent_comments`: (author id, JSON without the author).

    `withheld_media`: the media as JSON, if some are not public; each answer signs their addresses.
    """

    author_id: int
    likes: int
    comments: int
    comments_closed: bool
    for_close_friends: bool
    comments_from: str
    liker_ids: tuple[int, ...]
    recent_comments: tuple[tuple[int, bytes], ...]
    withheld_media: bytes
    post: bytes

    def pack(self) -> bytes:
        """This record as bytes."""
        comments_from = COMMENTS_FROM.index(self.comments_from)
        counts = len(self.liker_ids), len(self.recent_comments), len(self.withheld_media)
        comments = (
            part
            for author_id, text in self.recent_comments
            for part in (_COMMENT_HEAD.pack(author_id, len(text)), text)
        )
        return b"".join(
            (
                _HEAD.pack(*self[:5], comments_from, *counts),
                *map(_ID.pack, self.liker_ids),
                *comments,
                self.withheld_media,
                self.post,
            )
        )

    @staticmethod
    def unpack(packed: bytes) -> "Record":
        """The record that `pack` has made these bytes of."""
        *columns, comments_from, likers, recent, media = _HEAD.unpack_from(packed)
        author_id, likes, comments, closed, friends = columns
        liker_ids = _LIKERS[likers].unpack_from(packed, _HEAD.size)
        at = _HEAD.size + likers * _ID.size
        recent_comments = []
        for _ in range(recent):
            comment_author, length = _COMMENT_HEAD.unpack_from(packed, at)
            at += _COMMENT_HEAD.size + length
            recent_comments.append((comment_author, packed[at - length : at]))
        return Record(
            author_id,
            likes,
            comments,
            closed,
            friends,
            COMMENTS_FROM[comments_from],
            liker_ids,
            tuple(recent_comments),
            packed[at : at + media],
            packed[at + media :],
        )

    def is_visible_to(self, people: VisiblePeople) -> bool:
        """Whether the viewer of `people`, who are asked about the author, may see the post."""
        return people.shows_posts(
            author_id=self.author_id, for_close_friends=self.for_close_friends
        )

    def likers_shown(self, followed: Set[int]) -> Sequence[int]:
        """The record's latest likers, those in `followed` first. `document` shows the first
        LIKERS_SHOWN of them whom the viewer may see.
        """
        if followed.isdisjoint(self.liker_ids):
            return self.liker_ids
        first = [id_ for id_ in self.liker_ids if id_ in followed]
        return first + [id_ for id_ in self.liker_ids if id_ not in followed]

    def document(
        self, people: VisiblePeople, *, liked: bool, liker_ids: Sequence[int]
    ) -> bytes | None:
        """The post as JSON; None if the viewer may not see it. `liker_ids`: from `likers_shown`."""
        if not self.is_visible_to(people):
            return None
        users = people.documents
        likers = [users[id_] for id_ in liker_ids if id_ in users][:LIKERS_SHOWN]
        comments = [
            b'{"author":%b,%b' % (users[author_id], comment[1:])
            for author_id, comment in self.recent_comments
            if author_id in users
        ]
        post = self.post
        if self.withheld_media:
            post = b'%b,"media":%b' % (post, media_selectors.shown_json(self.withheld_media))
        return (
            b'{%b,"author":%b,"counts":{"likes":%d,"comments":%d},"viewer":{"liked":%b},'
            b'"recent_likes":[%b],"recent_comments":[%b]}'
            % (
                post,
                users[self.author_id],
                self.likes,
                self.comments,
                b"true" if liked else b"false",
                b",".join(likers),
                b",".join(comments),
            )
        )


# Stands for a post that does not exist, or is hidden, so that both take the same time: it is by
# nobody.
ABSENT_RECORD = Record(0, 0, 0, False, False, CommentsFrom.ACCOUNT, (), (), b"", b'"id":"0"')


def people_shown(
    posts: Collection[tuple[Record, Sequence[int]]],
    *,
    visible: Callable[[Collection[int]], VisiblePeople],
) -> tuple[VisiblePeople, bool]:
    """All people whom the documents of posts show, and whether nobody of them had to be left out.

    Each post comes with its `likers_shown`. `visible` finds those of some ids whom the viewer may
    see. It is called once, and a second time if some of the first likers of a post that is shown
    are not visible, and others take their places.
    """
    asked: set[int] = set()
    for record, liker_ids in posts:
        asked.add(record.author_id)
        asked.update(liker_ids[:LIKERS_SHOWN])
        asked.update([author_id for author_id, _ in record.recent_comments])
    people = visible(asked)
    if len(people.documents) == len(asked):
        return people, True
    others = {
        id_
        for record, liker_ids in posts
        if record.is_visible_to(people)
        and not all(id_ in people.documents for id_ in liker_ids[:LIKERS_SHOWN])
        for id_ in liker_ids[LIKERS_SHOWN:]
    }
    return people | visible(others - asked) if others - asked else people, False


class _Row(NamedTuple):
    """A row of _RECORDS_SQL. If there is no such post, all but the first two are None."""

    post_id: int
    version: int
    author_id: int | None
    caption: str
    audience: str
    comments_closed: bool
    comments_from: str
    created_at: datetime
    edited_at: datetime | None
    likes: int
    comments: int | None
    recent_comments: str | None  # JSON: only a model field decodes it
    liker_ids: list[int]


def load_records(post_ids: Sequence[int]) -> dict[int, Versioned[Record]]:
    """Records from SQL; None for a post that does not exist. Two queries in one database."""
    with connections[router.db_for_read(Post)].cursor() as cursor:
        cursor.execute(_RECORDS_SQL, [list(post_ids)])
        rows = [_Row(*row) for row in cursor.fetchall()]
    existing = [row.post_id for row in rows if row.author_id is not None]
    media = media_selectors.documents_of_posts(post_ids=existing)
    return {row.post_id: (row.version, _record(row, media.get(row.post_id, []))) for row in rows}


def _record(row: _Row, media: Sequence[dict[str, Any]]) -> Record | None:
    if row.author_id is None:
        return None
    post: dict[str, Any] = {
        "id": str(row.post_id),
        "caption": row.caption,
        "audience": row.audience,
        "created_at": row.created_at,
        "edited_at": row.edited_at,
        "comments_closed": row.comments_closed,
        "comments_from": row.comments_from,
    }
    withheld_media = b""
    if all(map(media_selectors.has_addresses, media)):
        post["media"] = media
    else:
        withheld_media = _dumps(media)
    return Record(
        author_id=row.author_id,
        likes=max(0, int(row.likes)),
        comments=row.comments or 0,
        comments_closed=row.comments_closed,
        for_close_friends=row.audience == Audience.CLOSE_FRIENDS,
        comments_from=row.comments_from,
        liker_ids=tuple(row.liker_ids),
        recent_comments=tuple(
            (comment["author_id"], _dumps(comment["document"]))
            for comment in orjson.loads(row.recent_comments or b"[]")
        ),
        withheld_media=withheld_media,
        post=_dumps(post)[1:-1],
    )


def _dumps(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC)
