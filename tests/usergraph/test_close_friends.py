"""Close friends: a list of one's own, and posts that only those on it see."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from comments.services import add_comment
from core.http.problems import Conflict, Invalid, NotFound
from core.valkey import cache_valkey
from fanout.handlers import deliver_post
from posts.audit import POSTS
from posts.events import PostChanged
from posts.models import Audience, Post
from posts.selectors import post_count, post_documents, posts_by_author, visible_post
from posts.services import delete_post, delete_posts_of_author, like_post, publish_post
from tests.support.accounts import name_of
from tests.support.posts_factory import make_posts
from tests.support.transactions import at_once
from timeline.pages import home_page, profile_page
from usergraph import own_lists, store
from usergraph.keys import friendly_key
from usergraph.models import CloseFriend
from usergraph.own_lists import add_close_friend, remove_close_friend
from usergraph.services import (
    block_user,
    drop_cached_user,
    follow_user,
    remove_relations_of_user,
    unblock_user,
)
from usergraph.visibility import viewpoint_of
from users.services import set_active, update_profile

pytestmark = pytest.mark.usefixtures("committed")
Api = Callable[[int], Any]
V = "/api/v1"


@pytest.fixture
def alice(committed: None, person: Callable[[str], int]) -> int:
    return person("alice")


@pytest.fixture
def bob(committed: None, person: Callable[[str], int]) -> int:
    return person("bob")


def has_friends(*owner_ids: int) -> bool:
    return CloseFriend.objects.filter(owner_id__in=owner_ids).exists()


def for_friends(author_id: int, count: int = 1) -> list[int]:
    return make_posts(author_id, count, audience=Audience.CLOSE_FRIENDS)


def sees(viewer_id: int, post_id: int) -> bool:
    """Whether a viewer sees a post: the same in all ways."""
    shown = bool(post_documents(post_ids=[post_id], viewer_id=viewer_id))
    author_id = Post.objects.get(pk=post_id).author_id
    page = profile_page(user_id=author_id, viewer_id=viewer_id, limit=50).documents
    listed, _ = posts_by_author(author_id=author_id, viewer_id=viewer_id, before=None, limit=50)
    try:
        visible_post(post_id=post_id, viewer_id=viewer_id)
    except NotFound:
        assert not shown
    else:
        assert shown
    assert (post_id in page) == shown
    assert any(f'"id":"{post_id}"' in post.decode() for post in listed) == shown
    return shown


def test_only_close_friends_and_the_author_see_a_post_for_them(
    alice: int, bob: int, person: Callable[[str], int]
) -> None:
    follower = person("follower")
    for user_id in (alice, follower):
        follow_user(follower_id=user_id, followee_id=bob)
    (early,), (post_id,) = make_posts(bob, 1), for_friends(bob)
    assert [sees(id_, post_id) for id_ in (bob, alice, follower, 0)] == [True, *[False] * 3]
    assert add_close_friend(owner_id=bob, friend_id=alice)
    assert not add_close_friend(owner_id=bob, friend_id=alice)
    assert [sees(id_, post_id) for id_ in (bob, alice, follower, 0)] == [True, True, False, False]
    assert list(home_page(viewer_id=alice, limit=5).documents) == [post_id, early]
    assert list(home_page(viewer_id=follower, limit=5).documents) == [early]
    assert remove_close_friend(owner_id=bob, friend_id=alice)
    assert not remove_close_friend(owner_id=bob, friend_id=alice)
    assert not sees(alice, post_id)
    assert list(home_page(viewer_id=alice, limit=5).documents) == [early]


def test_it_says_nothing_of_the_other_way_round(alice: int, bob: int) -> None:
    add_close_friend(owner_id=bob, friend_id=alice)
    (post_id,) = for_friends(alice)
    assert not sees(bob, post_id)


def test_a_close_friend_of_a_private_account_must_be_let_in_first(alice: int, bob: int) -> None:
    (post_id,) = for_friends(bob)
    add_close_friend(owner_id=bob, friend_id=alice)
    update_profile(user_id=bob, changes={"is_private": True})
    assert not post_documents(post_ids=[post_id], viewer_id=alice)
    with pytest.raises(NotFound):
        visible_post(post_id=post_id, viewer_id=alice)
    update_profile(user_id=bob, changes={"is_private": False})
    assert sees(alice, post_id)


def test_a_block_ends_it_in_both_directions_for_good(alice: int, bob: int) -> None:
    (of_bob,), (of_alice,) = for_friends(bob), for_friends(alice)
    for one, other in ((alice, bob), (bob, alice)):
        add_close_friend(owner_id=one, friend_id=other)
    assert sees(alice, of_bob)
    assert sees(bob, of_alice)
    block_user(blocker_id=bob, blocked_id=alice)
    unblock_user(blocker_id=bob, blocked_id=alice)
    assert not has_friends(alice, bob)
    assert not sees(alice, of_bob)
    assert not sees(bob, of_alice)


def test_what_is_for_close_friends_cannot_be_acted_on_by_others(
    alice: int, bob: int, api: Api
) -> None:
    (post_id,) = for_friends(bob)
    absent = for_friends(bob)[0]
    delete_post(post_id=absent, author_id=bob)
    acts = [
        ("get", ""),
        ("get", "/likes"),
        ("get", "/comments"),
        ("put", "/like"),
        ("delete", "/like"),
        ("post", "/comments"),
    ]
    for method, path in acts:
        bodies = []
        for id_ in (post_id, absent):
            body = ({"text": "Hello."}, "json") if method == "post" else ()
            answer = getattr(api(alice), method)(f"{V}/posts/{id_}{path}", *body)
            assert answer.status_code == 404, (method, path)
            bodies.append(answer.json() | {"instance": ""})
        assert bodies[0] == bodies[1], "nobody can tell it from a post that does not exist"
    comment_id = add_comment(post_id=post_id, author_id=bob, text="Only for you.")
    assert api(alice).get(f"{V}/comments/{comment_id}").status_code == 404
    assert api(alice).put(f"{V}/comments/{comment_id}/like").status_code == 404
    add_close_friend(owner_id=bob, friend_id=alice)
    assert api(alice).get(f"{V}/comments/{comment_id}").status_code == 200
    assert api(alice).put(f"{V}/posts/{post_id}/like").status_code == 200


def test_what_somebody_has_said_there_is_theirs_when_they_are_taken_off_the_list(
    alice: int, bob: int, api: Api
) -> None:
    (post_id,) = for_friends(bob)
    add_close_friend(owner_id=bob, friend_id=alice)
    comment_id = add_comment(post_id=post_id, author_id=alice, text="Lovely.")
    remove_close_friend(owner_id=bob, friend_id=alice)
    assert api(alice).get(f"{V}/comments/{comment_id}").status_code == 404
    assert api(alice).delete(f"{V}/comments/{comment_id}").status_code == 204


def test_a_document_says_for_whom_a_post_is(alice: int, bob: int, api: Api) -> None:
    for audience in Audience.values:
        (post_id,) = make_posts(bob, 1, audience=audience)
        assert api(bob).get(f"{V}/posts/{post_id}").json()["audience"] == audience
        changed = api(bob).patch(f"{V}/posts/{post_id}", {"audience": "everyone"}, "json")
        assert changed.status_code == 400, "a published post keeps its audience"


def test_a_profile_counts_the_posts_for_everyone(alice: int, bob: int, api: Api) -> None:
    def publish(audience: str) -> int:
        return publish_post(author_id=bob, caption="", media_ids=[], audience=audience)

    ids = [publish(audience) for audience in (*Audience.values, *Audience.values)]
    assert post_count(author_ids=[bob]) == 2
    assert POSTS.compared([bob]) == {bob: (2, 2)}
    for viewer_id in (alice, bob):
        profile = api(viewer_id).get(f"{V}/users/{name_of(bob)}").json()
        assert profile["counts"]["posts"] == 2
    delete_post(post_id=ids[0], author_id=bob)
    delete_post(post_id=ids[1], author_id=bob)
    assert post_count(author_ids=[bob]) == 1
    assert delete_posts_of_author(author_id=bob, post_ids=ids) == 2
    assert post_count(author_ids=[bob]) == 0


def test_the_list_is_its_owners_alone(alice: int, bob: int, api: Api) -> None:
    name = name_of(alice)
    assert api(bob).put(f"{V}/users/{name}/close-friend").json() == {"close_friend": True}
    (row,) = api(bob).get(f"{V}/users/me/close-friends").json()["results"]
    assert row["user"]["username"] == name
    assert row["user"]["viewer"]["close_friend"]
    assert api(bob).get(f"{V}/users/{name}").json()["viewer"]["close_friend"]
    assert not api(alice).get(f"{V}/users/{name_of(bob)}").json()["viewer"]["close_friend"]
    assert api(alice).get(f"{V}/users/me/close-friends").json()["results"] == []
    set_active(user_ids=[alice], active=False)
    assert api(bob).get(f"{V}/users/me/close-friends").json()["results"] == []
    set_active(user_ids=[alice], active=True)
    assert api(bob).delete(f"{V}/users/{name}/close-friend").json() == {"close_friend": False}
    assert api(bob).get(f"{V}/users/me/close-friends").json()["results"] == []


def test_a_list_is_paged_the_newest_first_and_has_an_end(
    bob: int, person: Callable[[str], int], api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    friends = [person(f"friend-{number}") for number in range(3)]
    for friend_id in friends:
        add_close_friend(owner_id=bob, friend_id=friend_id)
    first = api(bob).get(f"{V}/users/me/close-friends?limit=2").json()
    second = api(bob).get(first["next"]).json()
    ids = [int(row["user"]["id"]) for page in (first, second) for row in page["results"]]
    assert ids == friends[::-1]
    assert second["next"] is None
    monkeypatch.setattr(own_lists, "MAX_MEMBERS", 3)
    with pytest.raises(Conflict, match="3 accounts"):
        add_close_friend(owner_id=bob, friend_id=person("one-more"))
    assert not add_close_friend(owner_id=bob, friend_id=friends[0]), "who is there, is there"


def test_who_is_suspended_can_be_taken_off(alice: int, bob: int, api: Api) -> None:
    add_close_friend(owner_id=bob, friend_id=alice)
    set_active(user_ids=[alice], active=False)
    for _ in range(2):
        answer = api(bob).delete(f"{V}/users/{name_of(alice)}/close-friend")
        assert answer.json() == {"close_friend": False}
    assert not has_friends(bob)


@pytest.mark.parametrize("waits", ["block", "list"])
def test_a_block_at_once_leaves_nobody_on_the_list(alice: int, bob: int, waits: str) -> None:
    def add() -> None:
        with suppress(NotFound):
            add_close_friend(owner_id=bob, friend_id=alice)

    def block() -> None:
        block_user(blocker_id=alice, blocked_id=bob)

    at_once(lock="advisory", acts=[block, add] if waits == "list" else [add, block])
    assert not has_friends(alice, bob)


def test_nobody_is_on_their_own_list_or_there_without_an_account(bob: int) -> None:
    with pytest.raises(Invalid):
        add_close_friend(owner_id=bob, friend_id=bob)
    with pytest.raises(NotFound):
        add_close_friend(owner_id=bob, friend_id=12345)
    assert not has_friends(bob)


def test_rows_of_a_deleted_account_go_in_both_directions(alice: int, bob: int) -> None:
    add_close_friend(owner_id=alice, friend_id=bob)
    add_close_friend(owner_id=bob, friend_id=alice)
    assert remove_relations_of_user(user_id=bob, limit=1) == 1
    assert remove_relations_of_user(user_id=bob, limit=5) == 1
    assert remove_relations_of_user(user_id=bob, limit=5) == 0
    assert not has_friends(alice, bob)


def test_an_account_that_is_deleted_leaves_nothing_in_cache(alice: int, bob: int) -> None:
    viewpoint_of(viewer_id=alice)
    assert cache_valkey().exists(friendly_key(alice))
    drop_cached_user(user_id=alice)
    assert not cache_valkey().exists(friendly_key(alice))


def test_sql_answers_when_too_many_have_somebody_among_their_friends(
    alice: int, bob: int, person: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "FRIENDLY_LIMIT", 1)
    for owner_id in (bob, person("cleo")):
        add_close_friend(owner_id=owner_id, friend_id=alice)
    assert not viewpoint_of(viewer_id=alice).friendly.listed
    (post_id,), (other,) = for_friends(bob), for_friends(person("dora"))
    assert sees(alice, post_id)
    assert not sees(alice, other)


def test_a_delivery_goes_to_all_followers_and_shows_to_friends(
    alice: int, bob: int, person: Callable[[str], int]
) -> None:
    follower = person("follower")
    for user_id in (alice, follower):
        follow_user(follower_id=user_id, followee_id=bob)
        home_page(viewer_id=user_id, limit=5)
    post_id = publish_post(author_id=bob, caption="", media_ids=[], audience=Audience.CLOSE_FRIENDS)
    list(deliver_post(PostChanged(post_id=post_id, author_id=bob), 0))
    assert not home_page(viewer_id=alice, limit=5).documents
    add_close_friend(owner_id=bob, friend_id=alice)
    assert list(home_page(viewer_id=alice, limit=5).documents) == [post_id]
    assert not home_page(viewer_id=follower, limit=5).documents
    like_post(post_id=post_id, user_id=alice)


@pytest.mark.parametrize("count", [30, 250])
def test_a_page_is_full_however_many_posts_are_for_others(
    alice: int, bob: int, api: Api, count: int
) -> None:
    follow_user(follower_id=alice, followee_id=bob)
    early = make_posts(bob, 25)[::-1]
    for_friends(bob, count)
    late = make_posts(bob, 3)[::-1]
    pages = [
        home_page(viewer_id=alice, limit=20),
        profile_page(user_id=bob, viewer_id=alice, limit=20),
    ]
    for page in pages:
        assert list(page.documents) == [*late, *early[:17]]
        assert page.next_cursor == early[16]
    listed = api(alice).get(f"{V}/posts?author={name_of(bob)}&limit=20").json()["results"]
    assert [int(post["id"]) for post in listed] == [*late, *early[:17]]
