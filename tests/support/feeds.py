"""Feeds for the flows: made in bulk in this process, and read page by page over HTTP."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import httpx
from allauth.headless.tokens.strategies.jwt.internal import create_access_token
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.cache import SessionStore
from django.db import connections, transaction

from core.outbox.models import OutboxEvent
from tests.support.client import Person
from timeline.services import drop_home_timelines
from usergraph.services import drop_followers, import_follows
from users.models import User

HOME = "/api/v1/timeline/home"
_FOLLOWERS_SQL = """
WITH crowd AS (
    INSERT INTO users_user (
        username, email, password, is_superuser, is_staff, is_active, date_joined,
        display_name, bio, avatar_key
    )
    SELECT %s || '_' || number, '', '!', false, false, true, now(), '', '', ''
    FROM generate_series(1, %s) AS number
    RETURNING id
)
INSERT INTO usergraph_follow (follower_id, followee_id) SELECT id, %s FROM crowd
"""
# The tables of the database that refer to accounts, each with the column that does.
_OWNED_SQL = """
SELECT conrelid::regclass::text, attname
FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
WHERE contype = 'f' AND confrelid = 'users_user'::regclass
"""
_POSTS_SQL = """
INSERT INTO posts_post (author_id, caption)
SELECT (%s::bigint[])[1 + number %% %s], 'No. ' || number
FROM generate_series(0, %s) AS number
RETURNING id
"""


def access_token(user_id: int) -> str:
    """The token that a log-in would give, for an account without a password."""
    session = SessionStore()
    session[SESSION_KEY] = str(user_id)
    session.create()
    return cast("str", create_access_token(User.objects.get(pk=user_id), session, {}))


def make_follow(viewers: Iterable[Person], author_ids: Iterable[int]) -> None:
    """Let viewers follow authors by an import, so that no viewer counts as a recent writer."""
    viewer_ids = [int(viewer.id) for viewer in viewers]
    authors = list(author_ids)
    list(import_follows(edges=[(viewer, author) for viewer in viewer_ids for author in authors]))
    drop_home_timelines(user_ids=viewer_ids)


def add_followers(author_id: int, name: str, count: int) -> None:
    """Make accounts that follow an author, in bulk."""
    with connections["default"].cursor() as cursor:
        cursor.execute(_FOLLOWERS_SQL, [name, count, author_id])
    drop_followers(author_ids=[author_id])


def remove_followers(author_id: int, name: str) -> None:
    """Remove the accounts that `add_followers` has made, and all that they own.

    Later tests count accounts and follows, and walk through them.
    """
    with transaction.atomic(using="default"), connections["default"].cursor() as cursor:
        # No trigger runs, else this takes minutes. So what a trigger would remove is removed here.
        cursor.execute("SET LOCAL session_replication_role = replica")
        # First, because this waits for tasks that are indexing the names.
        crowd = "DELETE FROM users_user WHERE starts_with(username, %s) RETURNING id"
        cursor.execute(crowd, [f"{name}_"])
        ids = [user_id for (user_id,) in cursor.fetchall()]
        cursor.execute(_OWNED_SQL)
        for table, column in cursor.fetchall():
            cursor.execute(f"DELETE FROM {table} WHERE {column} = ANY(%s)", [ids])  # noqa: S608
    with connections["default"].cursor() as cursor:
        cursor.execute("ANALYZE users_user, users_searchterm, usergraph_follow")
    drop_followers(author_ids=[author_id])


def make_many_posts(author_ids: Sequence[int], count: int) -> list[int]:
    """Insert posts by these authors in turn, without events. Returns their ids, newest first."""
    with connections["posts"].cursor() as cursor:
        cursor.execute(_POSTS_SQL, [list(author_ids), len(author_ids), count - 1])
        return sorted((post_id for (post_id,) in cursor.fetchall()), reverse=True)


def is_delivered(*post_ids: int) -> bool:
    """Whether the fan-out of these posts is done."""
    rows = OutboxEvent.objects.using("posts").filter(kind="post_published")
    done = rows.filter(payload__post_id__in=post_ids, done_at__isnull=False)
    return done.count() == len(set(post_ids))


def ids_of(page: Any) -> list[int]:
    """The ids of the posts on a page."""
    return [int(post["id"]) for post in page["results"]]


def checked_page(response: httpx.Response) -> Any:
    """The page in an answer. Checks that the Link header agrees with the body."""
    assert response.status_code == 200, response.text
    page = response.json()
    links = {relation: link["url"] for relation, link in response.links.items()}
    assert links.get("next") == page["next"]
    assert links.get("prev") == page.get("newer")
    return page


def pages(reader: Person, address: str = HOME, **params: Any) -> Iterator[Any]:
    """The pages of a list, from `address` along `next` to the last page."""
    following: str | None = str(httpx.URL(address, params=params) if params else address)
    while following:
        page = checked_page(reader.http.get(following))
        yield page
        following = page["next"]


def walk(reader: Person, address: str = HOME, **params: Any) -> list[int]:
    """The post ids on all pages of a list."""
    return [id_ for page in pages(reader, address, **params) for id_ in ids_of(page)]
