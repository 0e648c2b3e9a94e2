"""Answers that say what is so now, and lists that say whom the caller follows."""

from collections.abc import Callable
from typing import Any

import pytest

from comments.services import add_comment
from tests.support.accounts import name_of
from tests.support.posts_factory import make_posts
from usergraph.mutes import mute_user
from usergraph.own_lists import add_close_friend, restrict_user
from usergraph.services import follow_user, import_follows
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


def test_a_like_and_its_end_answer_the_new_state_each_time(alice: int, bob: int, api: Api) -> None:
    (post_id,) = make_posts(bob, 1)
    comment_id = add_comment(post_id=post_id, author_id=bob, text="First.")
    for address, rest in (
        (f"posts/{post_id}", {"comments": 1}),
        (f"comments/{comment_id}", {"replies": 0}),
    ):
        for method, liked in (("put", True), ("put", True), ("delete", False), ("delete", False)):
            answer = getattr(api(alice), method)(f"{V}/{address}/like")
            assert answer.status_code == 200
            counts = {"likes": int(liked), **rest}
            assert answer.json() == {"liked": liked, "counts": counts}


def test_a_follow_and_its_end_answer_the_new_state_each_time(
    alice: int, bob: int, api: Api
) -> None:
    address = f"{V}/users/{name_of(bob)}/follow"
    for method, is_so in (("put", True), ("put", True), ("delete", False), ("delete", False)):
        answer = getattr(api(alice), method)(address)
        counts = {"followers": int(is_so), "following": 0}
        assert answer.json() == {"following": is_so, "requested": False, "counts": counts}


def test_who_may_not_be_seen_can_be_unfollowed_and_shows_no_counts(
    alice: int, bob: int, api: Api
) -> None:
    address = f"{V}/users/{name_of(bob)}/follow"
    api(alice).put(address)
    set_active(user_ids=[bob], active=False)
    for _ in range(2):
        answer = api(alice).delete(address)
        state = {"following": False, "requested": False, "counts": None}
        assert (answer.status_code, answer.json()) == (200, state)


def test_every_list_of_people_says_how_the_caller_stands_to_them(
    person: Callable[[str], int], api: Api
) -> None:
    alice, author, *fans = (person(f"one{number}") for number in range(5))
    (post_id,) = make_posts(author, 1)
    comment_id = add_comment(post_id=post_id, author_id=author, text="First.")
    list(import_follows(edges=[(fan, author) for fan in fans]))
    list(import_follows(edges=[(author, fan) for fan in fans]))
    list(import_follows(edges=[(alice, fan) for fan in fans[:2]]))
    list(import_follows(edges=[(fans[1], alice)]))
    mute_user(muter_id=alice, muted_id=fans[0])
    update_profile(user_id=fans[2], changes={"is_private": True})
    follow_user(follower_id=alice, followee_id=fans[2])
    add_close_friend(owner_id=alice, friend_id=fans[1])
    restrict_user(owner_id=alice, member_id=fans[2])
    stands = {
        fan: {
            "following": fan in fans[:2],
            "followed_by": fan == fans[1],
            "requested": fan == fans[2],
            "muting": fan == fans[0],
            "close_friend": fan == fans[1],
            "restricting": fan == fans[2],
        }
        for fan in fans
    }
    for fan in fans:
        api(fan).put(f"{V}/posts/{post_id}/like")
        api(fan).put(f"{V}/comments/{comment_id}/like")
    for address in (
        f"users/{name_of(author)}/followers",
        f"users/{name_of(author)}/following",
        f"posts/{post_id}/likes",
        f"comments/{comment_id}/likes",
    ):
        results = api(alice).get(f"{V}/{address}").json()["results"]
        viewers = {int(one["id"]): one["viewer"] for one in results}
        assert viewers == stands, address
    for fan in fans:
        found = api(alice).get(f"{V}/users?search={name_of(fan)}").json()["results"]
        assert found[0]["viewer"] == stands[fan]


def test_how_the_caller_stands_to_people_costs_no_round_trip_more(
    alice: int, bob: int, person: Callable[[str], int], api: Api, round_trips: Callable[[], int]
) -> None:
    for number in range(3):
        follow_user(follower_id=person(f"fan{number}"), followee_id=bob)
    follow_user(follower_id=alice, followee_id=bob)
    client, address = api(alice), f"{V}/users/{name_of(bob)}/followers"
    client.get(address)
    before = round_trips()
    assert len(client.get(address).json()["results"]) == 4
    # The rate limit; her viewpoint; whether bob is private; the users.
    assert round_trips() - before == 4
