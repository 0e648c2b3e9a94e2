"""What a page of posts with likes and comments costs, and what it shows of comments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from comments.services import add_comment
from posts.selectors import post_documents
from posts.services import like_post
from tests.support.posts_factory import make_posts
from tests.support.shown import shown_comments, shown_post, switch_off
from usergraph.services import import_follows
from users.services import renew_documents, update_profile

pytestmark = pytest.mark.django_db


@pytest.fixture
def busy_posts(
    alice: int, bob: int, person: Callable[[str], int], django_capture_on_commit_callbacks: Any
) -> list[int]:
    """20 posts of bob's with 4 likes, one by alice, and 3 comments each; she follows them."""
    fans = [person(f"fan{number}") for number in range(3)]
    list(import_follows(edges=[(alice, user_id) for user_id in (bob, *fans)]))
    ids = make_posts(bob, 20)
    for post_id in ids:
        for user_id in (*fans, alice):
            like_post(post_id=post_id, user_id=user_id)
        with django_capture_on_commit_callbacks(using="comments", execute=True) as callbacks:
            for author_id in fans:
                add_comment(post_id=post_id, author_id=author_id, text="Lovely.")
        assert callbacks
    return ids


def test_a_warm_page_of_20_costs_two_round_trips_and_no_sql(
    alice: int,
    busy_posts: list[int],
    round_trips: Callable[[], int],
    django_assert_num_queries: Any,
) -> None:
    post_documents(post_ids=busy_posts, viewer_id=alice)
    before = round_trips()
    with (
        django_assert_num_queries(0, using="posts"),
        django_assert_num_queries(0, using="comments"),
        django_assert_num_queries(0, using="default"),
    ):
        documents = post_documents(post_ids=busy_posts, viewer_id=alice)
    assert round_trips() - before == 2
    assert list(documents) == busy_posts
    for document in map(orjson.loads, documents.values()):
        assert document["counts"] == {"likes": 4, "comments": 3}
        assert document["viewer"] == {"liked": True}
        assert len(document["recent_likes"]) == 3
        assert len(document["recent_comments"]) == 2


def test_the_latest_comments_are_shown_with_their_post_but_for_counts_and_viewer(
    alice: int, busy_posts: list[int]
) -> None:
    post_id = busy_posts[0]
    latest = shown_comments(post_id, alice)[:0:-1]
    for comment in latest:
        del comment["counts"], comment["viewer"]
    assert shown_post(post_id, alice)["recent_comments"] == latest


def test_who_has_another_name_or_is_switched_off_is_so_wherever_they_are_named(
    alice: int, busy_posts: list[int]
) -> None:
    post_id = busy_posts[0]
    newest, other = (int(c["author"]["id"]) for c in shown_post(post_id, alice)["recent_comments"])
    update_profile(user_id=newest, changes={"display_name": "Renamed"})
    renew_documents(user_ids=[newest])
    document = shown_post(post_id, alice)
    assert document["recent_comments"][0]["author"]["display_name"] == "Renamed"
    assert shown_comments(post_id, alice)[-1]["author"]["display_name"] == "Renamed"
    liker = next(user for user in document["recent_likes"] if user["id"] == str(newest))
    assert liker["display_name"] == "Renamed"
    switch_off(newest)
    document = shown_post(post_id, alice)
    assert [int(one["author"]["id"]) for one in document["recent_comments"]] == [other]
    assert str(newest) not in {user["id"] for user in document["recent_likes"]}
    assert len(document["recent_likes"]) == 3, "somebody else is shown instead"
    assert len(shown_comments(post_id, alice)) == 2
