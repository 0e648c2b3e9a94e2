"""Liking posts: whose likes a post shows, who likes it, and counts that stay exact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from core.counters import Counter, CounterChange, change_counts, counts
from core.http.problems import NotFound
from posts import selectors, services, store
from posts.models import CommentSummary, Like, Post
from posts.selectors import likers_page, posts_by_author
from posts.services import delete_post, like_post, renew_records, settle_counters, unlike_post
from tests.support.posts_factory import make_posts
from tests.support.shown import shown_post, switch_off
from usergraph.services import import_follows, renew_followed
from users.services import renew_documents, update_profile

pytestmark = pytest.mark.django_db
WHATEVER = 10_000  # a limit that nothing here comes near


@pytest.fixture
def post_id(bob: int) -> int:
    """The id of a post of bob's."""
    return make_posts(bob, 1)[0]


@pytest.fixture
def likes(django_capture_on_commit_callbacks: Any) -> Callable[..., bool]:
    """Like a post, or unlike it, as if that committed."""

    def write(post_id: int, user_id: int, verb: Any = like_post) -> bool:
        with django_capture_on_commit_callbacks(using="posts", execute=True):
            return bool(verb(post_id=post_id, user_id=user_id))

    return write


def shown(post_id: int, viewer_id: int) -> tuple[int, bool, list[int]]:
    """What a post shows of its likes."""
    document = shown_post(post_id, viewer_id)
    recent = [int(user["id"]) for user in document["recent_likes"]]
    return document["counts"]["likes"], document["viewer"]["liked"], recent


def test_a_like_shows_at_once_to_everybody_and_counts_once(
    alice: int, bob: int, post_id: int, likes: Callable[..., bool]
) -> None:
    assert shown(post_id, alice) == shown(post_id, bob) == (0, False, [])  # and warms
    assert [likes(post_id, alice), likes(post_id, alice)] == [True, False]
    assert shown(post_id, alice) == (1, True, [alice])
    assert shown(post_id, bob) == (1, False, [alice])
    (listed,), _ = posts_by_author(author_id=bob, viewer_id=alice, before=None, limit=9)
    assert orjson.loads(listed) == shown_post(post_id, alice)
    assert [likes(post_id, alice, unlike_post) for _ in range(2)] == [True, False]
    assert shown(post_id, alice) == shown(post_id, bob) == (0, False, [])


def test_the_latest_three_are_shown_whom_one_follows_first_among_the_latest_eight(
    alice: int, bob: int, post_id: int, person: Callable[[str], int]
) -> None:
    people = [person(f"fan{number}") for number in range(10)]
    for number, user_id in enumerate(people):
        Like.objects.create(pk=post_id + 1 + number, subject_id=post_id, user_id=user_id)
        change_counts(database="posts", deltas={post_id: 1}, actor_id=user_id)
    newest = people[::-1]
    assert shown(post_id, bob) == (10, False, newest[:3])
    list(import_follows(edges=[(alice, newest[at]) for at in (7, 4, 8)]))  # the last one is too old
    renew_followed(viewer_ids=[alice])
    assert shown(post_id, alice) == (10, False, [newest[4], newest[7], newest[0]])
    switch_off(newest[4])
    assert shown(post_id, alice) == (10, False, [newest[7], newest[0], newest[1]])
    update_profile(user_id=newest[7], changes={"display_name": "Another", "username": f"o{alice}"})
    renew_documents(user_ids=[newest[7]])
    first = shown_post(post_id, alice)["recent_likes"][0]
    assert (first["display_name"], first["username"]) == ("Another", f"o{alice}")


def test_those_who_like_a_post_are_listed_whom_one_follows_first(
    alice: int, bob: int, post_id: int, person: Callable[[str], int], api: Callable[[int], Any]
) -> None:
    people = [person(f"fan{number}") for number in range(6)]
    for number, user_id in enumerate(people):
        Like.objects.create(pk=post_id + 1 + number, subject_id=post_id, user_id=user_id)
    list(import_follows(edges=[(alice, people[1]), (alice, people[3]), (alice, bob)]))
    wanted = [people[at] for at in (3, 1, 5, 4, 2, 0)]
    for limit in range(1, 8):
        found: list[int] = []
        url = f"/api/v1/posts/{post_id}/likes?limit={limit}"
        while url:
            page = api(alice).get(url).json()
            found += [int(user["id"]) for user in page["results"]]
            url = page["next"]
        assert found == wanted, limit
    switch_off(people[3])
    page = api(alice).get(f"/api/v1/posts/{post_id}/likes").json()
    assert [int(user["id"]) for user in page["results"]] == [people[1], *wanted[2:]]
    assert likers_page(post_id=post_id, viewer_id=bob, after=None, limit=2)[0] == people[:3:-1]


@pytest.mark.parametrize("why", ["missing", "deleted", "by an account that is switched off"])
def test_a_post_that_is_not_shown_cannot_be_liked(
    alice: int, bob: int, post_id: int, why: str
) -> None:
    if why == "missing":
        post_id = 1
    elif why == "deleted":
        shown_post(post_id, alice)
        delete_post(post_id=post_id, author_id=bob)
        renew_records(post_ids=[post_id])
    else:
        switch_off(bob)
    for write in (like_post, unlike_post):
        with pytest.raises(NotFound):
            write(post_id=post_id, user_id=alice)
    with pytest.raises(NotFound):
        likers_page(post_id=post_id, viewer_id=alice, after=None, limit=1)
    assert not Like.objects.filter(subject_id=post_id).exists()


def test_one_who_likes_very_many_posts_sees_it_on_the_oldest_too(
    alice: int,
    bob: int,
    likes: Callable[..., bool],
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: Any,
) -> None:
    kept = 3
    monkeypatch.setattr(store, "LIKED_LIMIT", kept)
    monkeypatch.setattr(store, "_LIKED_SQL", store._LIKED_SQL.replace("LIMIT 500", f"LIMIT {kept}"))
    ids = make_posts(bob, 7)
    liked = {ids[0], ids[2], ids[3], ids[5], ids[6]}
    for post_id in liked:
        likes(post_id, alice)

    def seen(post_ids: list[int]) -> set[int]:
        documents = selectors.post_documents(post_ids=post_ids, viewer_id=alice)
        return {id_ for id_, one in documents.items() if orjson.loads(one)["viewer"]["liked"]}

    assert seen(ids) == liked
    with django_assert_num_queries(1, using="posts"):
        assert seen(ids) == liked
    with django_assert_num_queries(0, using="posts"):
        assert seen(ids[3:]) == liked - set(ids[:3])


def test_settling_changes_no_count_and_leaves_nothing_to_settle(
    alice: int, bob: int, post_id: int
) -> None:
    for user_id in (alice, bob):
        like_post(post_id=post_id, user_id=user_id)
    unlike_post(post_id=post_id, user_id=bob)
    assert settle_counters(limit=WHATEVER) >= 3
    assert shown(post_id, alice) == (1, True, [alice]), "what the request did not live to do"
    assert not CounterChange.objects.using("posts").filter(subject_id=post_id).exists()
    assert Counter.objects.using("posts").get(pk=post_id).value == 1
    settle_counters(limit=WHATEVER)
    assert counts(database="posts", subject_ids=[post_id]) == {post_id: 1}


def test_settling_removes_likes_that_came_to_a_post_while_it_was_deleted(
    alice: int, bob: int, post_id: int
) -> None:
    like_post(post_id=post_id, user_id=alice)
    Post.objects.filter(pk=post_id).delete()
    settle_counters(limit=WHATEVER)
    assert not Like.objects.filter(subject_id=post_id).exists()
    assert not Counter.objects.using("posts").filter(subject_id=post_id).exists()
    assert not CounterChange.objects.using("posts").filter(subject_id=post_id).exists()


def test_what_hangs_on_a_post_that_is_gone_is_removed_step_by_step(
    alice: int, bob: int, post_id: int
) -> None:
    other = make_posts(bob, 1)[0]
    for user_id in (alice, bob):
        for liked in (post_id, other):
            like_post(post_id=liked, user_id=user_id)
    CommentSummary.objects.create(post_id=post_id, version=1, count=1, recent=[])
    Post.objects.filter(pk=post_id).delete()
    removed = [services.remove_what_hangs_on(post_ids=[post_id], limit=1) for _ in range(3)]
    assert removed == [1, 1, 0]
    assert not Like.objects.filter(subject_id=post_id).exists()
    assert not CommentSummary.objects.filter(post_id=post_id).exists()
    assert counts(database="posts", subject_ids=[post_id, other]) == {post_id: 0, other: 2}
    assert services.remove_what_hangs_on(post_ids=[], limit=1) == 0


def test_likes_of_an_account_that_goes_are_taken_back(alice: int, bob: int, post_id: int) -> None:
    for user_id in (alice, bob):
        like_post(post_id=post_id, user_id=user_id)
    assert services.remove_likes_of_user(user_id=alice, limit=9) == 1
    assert services.remove_likes_of_user(user_id=alice, limit=9) == 0
    renew_records(post_ids=[post_id])
    assert shown(post_id, bob) == (1, True, [bob])


def test_likes_over_the_api(
    alice: int, bob: int, post_id: int, api: Callable[[int], Any], likes: Callable[..., bool]
) -> None:
    url = f"/api/v1/posts/{post_id}"
    for method, liked in ((api(alice).put, True), (api(alice).delete, False)):
        for _ in range(2):
            assert method(f"{url}/like").status_code == 204
        renew_records(post_ids=[post_id])
        store.refresh(post_ids=[], user_ids=[alice])
        document = api(alice).get(url).json()
        assert (document["counts"]["likes"], document["viewer"]["liked"]) == (int(liked), liked)
    assert api(alice).put("/api/v1/posts/1/like").status_code == 404
