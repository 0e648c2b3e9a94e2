"""Previews are full at once, whoever is hidden from the viewer."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from django.db import OperationalError, connections

from comments.services import add_comment
from posts.previews import SEARCHED
from posts.selectors import post_documents
from posts.services import like_post
from tests.support.api_documents import deactivate, shown_post
from tests.support.posts_factory import make_posts
from usergraph.services import import_follows, refresh_followed

People = Callable[[int], list[int]]


@pytest.fixture
def posts(bob: int) -> list[int]:
    return make_posts(bob, 3)


@pytest.fixture
def post_id(posts: list[int]) -> int:
    return posts[0]


@pytest.fixture
def talkers(
    person: Callable[[str], int], posts: list[int], django_capture_on_commit_callbacks: Any
) -> People:
    """Makes people who like all `posts` and comment on them, the latest first."""

    def make(number: int) -> list[int]:
        people = [person(f"fan{place}") for place in range(number)]
        with django_capture_on_commit_callbacks(using="comments", execute=True):
            for post_id, user_id in product(posts, people):
                like_post(post_id=post_id, user_id=user_id)
                add_comment(post_id=post_id, author_id=user_id, text=f"By {user_id}")
        return people[::-1]

    return make


def previews(post_id: int, viewer_id: int) -> tuple[list[int], list[str]]:
    """The ids of a post's latest likers, and the texts of its latest comments, as shown."""
    document = shown_post(post_id, viewer_id)
    likers = [int(user["id"]) for user in document["recent_likes"]]
    for comment in document["recent_comments"]:
        assert comment["text"] == f"By {comment['author']['id']}"
        assert comment["reply_to"] is None
    return likers, [comment["text"] for comment in document["recent_comments"]]


def texts(people: list[int]) -> list[str]:
    return [f"By {user_id}" for user_id in people]


@pytest.mark.django_db
@pytest.mark.parametrize("hidden", [1, 2, 3, 5, 6, 7, 8, 10, 11, 12])
def test_others_are_shown_at_once_in_the_place_of_the_latest(
    hidden: int, alice: int, post_id: int, talkers: People
) -> None:
    people = talkers(12)
    assert previews(post_id, alice) == (people[:3], texts(people[:2]))
    for user_id in people[:hidden]:
        deactivate(user_id)
    left = people[hidden:]
    assert previews(post_id, alice) == (left[:3], texts(left[:2]))


@pytest.mark.django_db
def test_whom_the_viewer_follows_come_first_among_the_others_too(
    alice: int, post_id: int, talkers: People
) -> None:
    people = talkers(14)
    list(import_follows(edges=[(alice, people[11]), (alice, people[0])]))
    refresh_followed(viewer_ids=[alice])
    for user_id in people[:8]:
        deactivate(user_id)
    assert previews(post_id, alice)[0] == [people[11], people[8], people[9]]


@pytest.mark.django_db
def test_a_page_reads_sql_once_for_all_its_short_previews_and_not_for_full_ones(
    alice: int,
    posts: list[int],
    talkers: People,
    round_trips: Callable[[], int],
    django_assert_num_queries: Any,
) -> None:
    people = talkers(12)

    def cost(*, queries: int) -> int:
        before = round_trips()
        with (
            django_assert_num_queries(queries, using="posts"),
            django_assert_num_queries(queries, using="comments"),
            django_assert_num_queries(0, using="default"),
        ):
            post_documents(post_ids=posts, viewer_id=alice)
        return round_trips() - before

    post_documents(post_ids=posts, viewer_id=alice)
    assert cost(queries=0) == 2
    deactivate(people[4])  # a liker that nobody would be shown after
    assert cost(queries=0) == 2
    for user_id in people[:9]:
        deactivate(user_id)
    post_documents(post_ids=posts, viewer_id=alice)
    assert cost(queries=1) <= 4


@pytest.mark.django_db
def test_a_post_with_few_likes_and_comments_is_not_searched_for_more(
    alice: int, post_id: int, talkers: People, django_assert_num_queries: Any
) -> None:
    for user_id in talkers(2):
        deactivate(user_id)
    shown_post(post_id, alice)
    with (
        django_assert_num_queries(0, using="posts"),
        django_assert_num_queries(0, using="comments"),
    ):
        assert previews(post_id, alice) == ([], [])


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A function after which a database does not answer any more."""

    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("the server closed the connection\n\tunexpectedly\n")

    return lambda alias: monkeypatch.setattr(connections[alias], "cursor", fail)


@pytest.mark.django_db
@pytest.mark.parametrize("down", ["posts", "comments"])
def test_while_a_database_is_down_its_previews_stay_short(
    down: str, alice: int, post_id: int, talkers: People, stop: Callable[[str], None]
) -> None:
    people = talkers(12)
    for user_id in people[:8]:
        deactivate(user_id)
    shown_post(post_id, alice)
    stop(down)
    likers, comments = previews(post_id, alice)
    assert likers == ([] if down == "posts" else people[8:11])
    assert comments == ([] if down == "comments" else texts(people[8:10]))


@pytest.mark.django_db
def test_one_line_of_the_log_tells_why_previews_stay_short(
    alice: int,
    post_id: int,
    talkers: People,
    stop: Callable[[str], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    for user_id in talkers(9)[:8]:
        deactivate(user_id)
    shown_post(post_id, alice)
    stop("posts")
    previews(post_id, alice)
    (line,) = [record for record in caplog.records if record.name == "posts.previews"]
    assert line.getMessage() == "previews stay short: the server closed the connection unexpectedly"
    assert (line.levelname, line.exc_info) == ("WARNING", None)


@pytest.mark.django_db
def test_so_many_of_the_latest_likes_and_comments_are_searched(
    alice: int, post_id: int, talkers: People
) -> None:
    people = talkers(SEARCHED + 1)
    for user_id in people[: SEARCHED - 1]:
        deactivate(user_id)
    left = people[SEARCHED - 1 : SEARCHED]
    assert previews(post_id, alice) == (left, texts(left))
