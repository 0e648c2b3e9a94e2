"""The benchmark's people and posts, made in bulk before the measurements."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

from django.conf import settings
from django.db import connections

from comments.services import add_comment
from posts.services import like_post
from tests.support.feeds import access_token
from timeline import store
from timeline.keys import home_key
from timeline.services import drop_home_timelines
from timeline.store import Viewing
from usergraph.selectors import graph_lsn
from usergraph.services import import_follows
from users.services import import_users

# Each post on a measured page has a picture, this many likes, and this many comments.
LIKES, COMMENTS = 6, 3
_CHUNK = 1000

_ACCOUNTS_SQL = """
INSERT INTO users_user (
    username, display_name, password, email, is_superuser, is_staff, is_active, date_joined,
    bio, avatar_key
)
SELECT %s || number, 'No. ' || number, '!', '', false, false, true, now(), '', ''
FROM generate_series(1, %s) AS number
RETURNING id
"""
_FOLLOWERS_SQL = """
INSERT INTO usergraph_follow (follower_id, followee_id) SELECT unnest(%s::bigint[]), %s
"""
_POSTS_SQL = """
INSERT INTO posts_post (author_id, caption)
SELECT (%s::bigint[])[1 + number %% %s], 'On the beach at low tide, No. ' || number
FROM generate_series(0, %s) AS number
RETURNING id
"""
_OLDER_POSTS_SQL = """
INSERT INTO posts_post (id, author_id, caption)
SELECT oldest.id - 1 - number, (%s::bigint[])[1 + number %% %s], 'At low tide, No. ' || number
FROM generate_series(0, %s) AS number, (SELECT min(id) AS id FROM posts_post) AS oldest
"""
_PICTURES_SQL = """
INSERT INTO media_media (
    owner_id, width, height, has_webp, byte_size, blurhash, alt, storage_prefix,
    used_as, used_by_id, position
)
SELECT author_id, 1080, 1350, true, 250000, 'LEHV6nWB2yk8pyo0adR*.7kCMdnj',
    'The beach at low tide.', 'public/media/' || md5(id::text),
    'post', id, 0
FROM posts_post WHERE id = ANY(%s)
"""


def _rows(alias: str, sql: str, *parameters: Any) -> list[int]:
    with connections[alias].cursor() as cursor:
        cursor.execute(sql, parameters)
        return [id_ for (id_,) in cursor.fetchall()] if cursor.description else []


def add_accounts(prefix: str, count: int) -> list[int]:
    """Insert accounts without e-mail or password. Returns their ids."""
    return _rows("default", _ACCOUNTS_SQL, prefix, count)


def add_followers(author_id: int, follower_ids: Sequence[int]) -> None:
    """Insert followers of an author who has no entries in CACHE yet."""
    for first in range(0, len(follower_ids), 100_000):
        part = list(follower_ids[first : first + 100_000])
        _rows("default", _FOLLOWERS_SQL, part, author_id)


def add_posts(author_ids: Sequence[int], count: int, *, pictures: bool = False) -> list[int]:
    """Insert posts by these authors in turn, without events. Returns their ids, newest first."""
    ids = _rows("posts", _POSTS_SQL, list(author_ids), len(author_ids), count - 1)
    if pictures:
        _rows("posts", _PICTURES_SQL, ids)
    return sorted(ids, reverse=True)


def add_older_posts(author_ids: Sequence[int], count: int) -> None:
    """Insert posts by these authors in turn, without events, older than all existing posts."""
    _rows("posts", _OLDER_POSTS_SQL, list(author_ids), len(author_ids), count - 1)


def analyze() -> None:
    """Update PostgreSQL's statistics."""
    for alias in ("default", "posts", "comments"):
        _rows(alias, "VACUUM ANALYZE")


def warm(user_ids: Sequence[int], refs: Sequence[tuple[int, int]]) -> None:
    """Store these entries, newest first, as warm home timelines, as reads would."""
    lsn = graph_lsn()
    for user_id in user_ids:
        warm_one(home_key(user_id), refs, Viewing(lsn))


def warm_one(key: str, refs: Sequence[tuple[int, int]], viewing: Viewing) -> None:
    """The same for any timeline, with what its header says."""
    lease = store.begin_build(key=key, graph_lsn=viewing.graph_lsn)
    assert lease
    is_end = len(refs) < settings.TIMELINE_CAP
    store.finish_build(key=key, lease=lease, refs=refs, is_end=is_end, viewing=viewing)


class Population:
    """The members of a follower graph, and two readers: one follows few, the other many."""

    FEW, MANY = 40, 400

    def __init__(self, edges: Path, *, limit: int | None = None) -> None:
        self.random = Random(6)
        pairs = list(_edges(edges, limit))
        names = sorted({node for pair in pairs for node in pair}, key=int)
        ids = import_users(usernames=[f"member_{name}" for name in names])
        self.members = [ids[f"member_{name}"] for name in names]
        both = (
            (ids[f"member_{a}"], ids[f"member_{b}"]) for a, b in chain(pairs, map(_back, pairs))
        )
        self.follows = sum(import_follows(edges=both))
        self.few, self.many, *self.readers = add_accounts("reader_", 10)
        followed = self.random.sample(self.members, min(self.MANY, len(self.members)))
        self.followed = followed
        edges_of = [(self.few, id_) for id_ in followed[: self.FEW]]
        edges_of += [(self.many, id_) for id_ in followed]
        list(import_follows(edges=edges_of))
        drop_home_timelines(user_ids=[self.few, self.many])

    @cached_property
    def page(self) -> list[int]:
        """New posts with likes and comments, by authors whom both readers follow."""
        post_ids = self.page_by(self.followed[: self.FEW])
        drop_home_timelines(user_ids=[self.few, self.many])
        return post_ids

    def page_by(self, author_ids: Sequence[int]) -> list[int]:
        """New posts with likes and comments, by these authors in turn; newest first."""
        post_ids = add_posts(author_ids, 24, pictures=True)
        for post_id in post_ids:
            people = self.random.sample(self.members, LIKES + COMMENTS)
            for user_id in people[:LIKES]:
                like_post(post_id=post_id, user_id=user_id)
            for user_id in people[LIKES:]:
                add_comment(post_id=post_id, author_id=user_id, text="What a light! Where is it?")
        return post_ids

    def token(self, user_id: int) -> str:
        """The token that a log-in would give."""
        return access_token(user_id)


def _back(pair: tuple[str, str]) -> tuple[str, str]:
    return pair[1], pair[0]


def _edges(path: Path, limit: int | None) -> Iterator[tuple[str, str]]:
    """The edges among the first `limit` nodes, or among all."""
    for line in path.read_text().splitlines():
        one, other = line.split()
        if limit is None or max(int(one), int(other)) < limit:
            yield one, other
