"""The API of timelines."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from rest_framework.test import APIClient

from comments.events import CommentsChanged
from comments.services import add_comment
from fanout.handlers import show_comments
from posts.services import like_post
from tests.support.feeds import HOME, access_token
from tests.support.posts_factory import make_posts
from timeline import seen
from timeline.services import deliver_to_home_timelines
from usergraph.services import import_follows

pytestmark = pytest.mark.django_db


# Of no log: a delivery with it skips no timeline.
MAX_LSN = 2**62


def ids(page: Any) -> list[str]:
    return [post["id"] for post in page["results"]]


@pytest.mark.parametrize("parameter", ["cursor", "since"])
@pytest.mark.parametrize("value", ["", " ", "x", "\u2603"])
def test_what_is_no_cursor_is_refused(
    get_home: Callable[..., Any], parameter: str, value: str
) -> None:
    """An empty one too: a client that lost its cursor would read the first page for ever."""
    answer = get_home(data={parameter: value})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == parameter


def test_later_pages_say_nothing_of_what_is_newer(get_home: Callable[..., Any]) -> None:
    first = get_home(data={"limit": 4}).json()
    second = get_home(first["next"])
    assert second.json()["newer"] is None
    assert 'rel="prev"' not in second["Link"]
    assert ids(get_home(first["newer"]).json()) == []


def test_what_arrives_during_a_walk_is_shown_by_the_next_one(
    get_home: Callable[..., Any], alice: int, bob: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is above the pages that are still to come. Each page has another process's knowledge."""
    noted = 0
    monkeypatch.setattr(seen, "delivered_up_to", lambda: noted)
    newer = get_home().json()["newer"]

    def deliver(*post_ids: int) -> None:
        for post_id in post_ids:
            deliver_to_home_timelines(
                post_id=post_id, author_id=bob, user_ids=[alice], graph_lsn=MAX_LSN
            )

    first, second, late, last = make_posts(bob, 4)
    deliver(first, second, last)
    page = get_home(f"{newer}&limit=2").json()
    assert ids(page) == [str(last), str(second)]
    deliver(late)
    noted = last
    page = get_home(page["next"]).json()
    assert ids(page) == [str(first)]
    noted = 0
    page = get_home(page["newer"]).json()
    assert ids(page) == [str(late)]
    assert ids(get_home(page["newer"]).json()) == []


@pytest.fixture
def busy_home(alice: int, bob: int, person: Callable[[str], int]) -> None:
    """20 posts in alice's home timeline, with likes and comments of other people."""
    list(import_follows(edges=[(alice, bob)]))
    fans = [person(f"fan{number}") for number in range(4)]
    for post_id in make_posts(bob, 20):
        for user_id in fans:
            like_post(post_id=post_id, user_id=user_id)
        comment_id = add_comment(post_id=post_id, author_id=fans[0], text="Lovely.")
        add_comment(post_id=post_id, author_id=bob, text="Thanks!", reply_to=comment_id)
        list(show_comments(CommentsChanged(post_id), 0))


def assert_busy(page: Any) -> None:
    for post in page["results"]:
        assert post["counts"] == {"likes": 4, "comments": 2}
        assert len(post["recent_likes"]) == 3
        assert len(post["recent_comments"]) == 2
    assert len(page["results"]) == 20


@pytest.mark.usefixtures("busy_home")
def test_a_warm_page_with_likes_and_comments_costs_four_round_trips_and_no_sql(
    api: Callable[[int], Any],
    alice: int,
    no_sql: Callable[[], AbstractContextManager[None]],
    round_trips: Callable[[], int],
) -> None:
    client = api(alice)
    assert_busy(client.get(HOME).json())
    before = round_trips()
    with no_sql():
        page = client.get(HOME)
    # The request's count; the timeline; posts, likes, follows; people.
    assert round_trips() - before <= 4
    assert_busy(page.json())


@pytest.mark.usefixtures("busy_home")
def test_a_warm_page_between_posts_for_others_costs_one_round_trip_more(
    api: Callable[[int], Any],
    alice: int,
    bob: int,
    no_sql: Callable[[], AbstractContextManager[None]],
    round_trips: Callable[[], int],
) -> None:
    for_friends = make_posts(bob, 5, audience="close_friends")
    client = api(alice)
    assert_busy(client.get(HOME).json())
    before = round_trips()
    with no_sql():
        page = client.get(HOME)
    # The records of those posts that take the places of the five.
    assert round_trips() - before <= 5
    assert_busy(page.json())
    assert not {*map(str, for_friends)} & {post["id"] for post in page.json()["results"]}


@pytest.mark.usefixtures("busy_home")
def test_a_warm_page_for_a_bearer_of_a_token_costs_four_round_trips_and_no_sql(
    alice: int, no_sql: Callable[[], AbstractContextManager[None]], round_trips: Callable[[], int]
) -> None:
    client = APIClient(headers={"Authorization": f"Bearer {access_token(alice)}"})
    assert_busy(client.get(HOME).json())
    before = round_trips()
    with no_sql():
        page = client.get(HOME)
    assert round_trips() - before <= 4  # the session beside the count
    assert_busy(page.json())


@pytest.mark.parametrize(
    ("query", "accept"), [("", "text/html"), ("", "application/xml;q=0.1"), ("?format=xml", "*/*")]
)
def test_there_is_one_kind_of_answer(get_home: Callable[..., Any], query: str, accept: str) -> None:
    answer = get_home(HOME + query, headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
