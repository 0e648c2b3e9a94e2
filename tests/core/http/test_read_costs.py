"""What a warm read of each address costs: SQL queries, and round trips to Valkey."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from comments.events import CommentsChanged
from comments.services import add_comment, like_comment
from fanout.handlers import show_comments
from posts.services import like_post, refresh_records
from tests.conftest import ALL_DATABASES
from tests.support.posts_factory import make_posts
from usergraph.services import import_follows
from users.models import User

pytestmark = pytest.mark.django_db

# Of each: SQL queries by database, and round trips. One of these counts the request; where there is
# a token, its session is asked for in the same one.
COSTS: list[tuple[str, dict[str, int], int]] = [
    ("comments/{comment}", {"comments": 2}, 4),
    ("comments/{comment}/likes", {"comments": 3, "default": 2}, 5),
    ("posts/{post}", {}, 3),
    ("posts/{post}/comments", {"comments": 1}, 4),
    ("posts/{post}/comments?reply_to={comment}", {"comments": 2}, 5),
    ("posts/{post}/comments?top_level=true", {"comments": 1}, 4),
    ("posts/{post}/likes", {"posts": 2, "default": 2}, 4),
    ("users/{bob}", {"default": 4, "posts": 1}, 2),
    ("users/{bob}/timeline", {"default": 1}, 5),
]


@pytest.fixture
def names(alice: int, bob: int, person: Callable[[str], int]) -> dict[str, Any]:
    """What the addresses name: bob, whom alice follows, and a post of his with comments.

    There are several of everything, so that a cost for each one shows.
    """
    list(import_follows(edges=[(alice, bob)]))
    fans = [person("fan") for _ in range(5)]
    post_ids = make_posts(bob, 5)
    for post_id in post_ids:
        for fan in fans:
            like_post(post_id=post_id, user_id=fan)
        comment_ids = [add_comment(post_id=post_id, author_id=fan, text="Lovely.") for fan in fans]
        for fan in fans:
            like_comment(comment_id=comment_ids[0], user_id=fan)
            add_comment(post_id=post_id, author_id=fan, text="Yes!", reply_to=comment_ids[0])
        list(show_comments(CommentsChanged(post_id), 0))
    refresh_records(post_ids=post_ids)
    return {
        "post": post_ids[-1],
        "comment": comment_ids[0],
        "bob": User.objects.get(pk=bob).username,
    }


@pytest.fixture
def cost(
    api: Callable[[int], Any], alice: int, round_trips: Callable[[], int]
) -> Callable[[str], tuple[dict[str, int], int]]:
    """Read an address as alice twice; returns the queries and round trips of the second read."""

    def read_twice(url: str) -> tuple[dict[str, int], int]:
        client = api(alice)
        cold = client.get(url)
        before = round_trips()
        with ExitStack() as stack:
            captured = {
                database: stack.enter_context(CaptureQueriesContext(connections[database]))
                for database in ALL_DATABASES
            }
            warm = client.get(url)
        assert warm.status_code == 200
        assert warm.content == cold.content
        queries = {database: len(context) for database, context in captured.items() if len(context)}
        return queries, round_trips() - before

    return read_twice


@pytest.mark.parametrize(("path", "queries", "trips"), COSTS, ids=[path for path, _, _ in COSTS])
def test_a_warm_read_costs_exactly_this(
    names: dict[str, Any],
    cost: Callable[[str], tuple[dict[str, int], int]],
    path: str,
    queries: dict[str, int],
    trips: int,
) -> None:
    assert cost(f"/api/v1/{path.format(**names)}") == (queries, trips)
