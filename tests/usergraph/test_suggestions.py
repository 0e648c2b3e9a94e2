"""Whom a viewer might want to follow, and which of their own people follow somebody."""

from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest

from tests.support.accounts import name_of
from usergraph.models import Mute
from usergraph.services import block_user, follow_user, import_follows
from usergraph.suggestions import FOLLOWS_OF_EACH, known_followers, suggestions
from users.services import import_users, refresh_documents, set_active, update_profile

pytestmark = pytest.mark.django_db
Api = Callable[[int], Any]
NOBODY = {"count": 0, "users": []}


def follow(follower_id: int, *followee_ids: int) -> None:
    for followee_id in followee_ids:
        follow_user(follower_id=follower_id, followee_id=followee_id)


def plain(document: Any) -> Any:
    return orjson.loads(orjson.dumps(document))


def suggested(viewer_id: int, limit: int = 20) -> dict[int, tuple[int, list[int]]]:
    """The suggested ids in order, each with how many follow it, and those who are named."""
    found = plain(suggestions(viewer_id=viewer_id, limit=limit))
    return {
        int(one["user"]["id"]): (
            one["known_followers"]["count"],
            [int(user["id"]) for user in one["known_followers"]["users"]],
        )
        for one in found
    }


@pytest.fixture
def people(person: Callable[[str], int]) -> Sequence[int]:
    return [person(f"one{number}") for number in range(8)]


def test_those_whom_most_friends_follow_come_first(people: Sequence[int]) -> None:
    me, one, two, three, four, popular, known, other = people
    follow(me, four, three, two, one)
    for friend in (one, two, three, four):
        follow(friend, popular, me)
    follow(one, known)
    follow(two, known)
    follow(three, other, one)
    found = suggested(me)
    assert list(found) == [popular, known, other]
    assert found[popular] == (4, [one, two, three])
    assert found[known] == (2, [one, two])
    assert suggested(me, limit=1) == {popular: found[popular]}
    (first, *_) = plain(suggestions(viewer_id=me, limit=1))
    assert first["user"]["viewer"]["following"] is False
    assert suggested(other) == {}, "who follows nobody has no friends"


def test_who_must_not_be_suggested_is_not(people: Sequence[int]) -> None:
    me, friend, private, blocked, blocker, gone, muted, fine = people
    follow(me, friend)
    follow(friend, private, blocked, blocker, gone, muted, fine)
    update_profile(user_id=private, changes={"is_private": True})
    block_user(blocker_id=me, blocked_id=blocked)
    block_user(blocker_id=blocker, blocked_id=me)
    set_active(user_ids=[gone], active=False)
    Mute.objects.create(muter_id=me, muted_id=muted)
    assert list(suggested(me)) == [fine]


def test_a_private_friend_whom_one_follows_counts(people: Sequence[int]) -> None:
    me, friend, stranger, fine, other, *_ = people
    follow(me, friend)
    follow(friend, fine)
    follow(stranger, other)
    for user_id in (friend, stranger):
        update_profile(user_id=user_id, changes={"is_private": True})
    follow(me, stranger)  # asks to
    assert suggested(me) == {fine: (1, [friend])}


def test_a_profile_says_which_of_ones_people_follow_it(people: Sequence[int], api: Api) -> None:
    me, one, two, three, four, shown, *_ = people
    assert known_followers(user_id=shown, viewer_id=me) == NOBODY
    follow(me, one, two, three, four)
    for fan in (four, three, two, one):
        follow(fan, shown)
        follow(shown, fan)
    found = plain(known_followers(user_id=shown, viewer_id=me))
    assert found["count"] == 4
    assert [int(user["id"]) for user in found["users"]] == [one, two, three]
    profile = api(me).get(f"/api/v1/users/{name_of(shown)}").json()
    assert profile["known_followers"] == found
    assert known_followers(user_id=shown, viewer_id=0) == NOBODY
    update_profile(user_id=shown, changes={"is_private": True})
    refresh_documents(user_ids=[shown])  # this transaction never commits
    assert known_followers(user_id=shown, viewer_id=me) == NOBODY, "its followers are its own"
    assert known_followers(user_id=shown, viewer_id=shown) == NOBODY, "mutual follows are no news"


def test_a_large_graph_is_read_in_part(
    person: Callable[[str], int], django_assert_num_queries: Any
) -> None:
    """However many friends there are, and however many they follow."""
    me, celebrity = person("me"), person("celebrity")
    friends = [person("friend") for _ in range(3)]
    names = [f"crowd{me}_{number}" for number in range(FOLLOWS_OF_EACH + 50)]
    ids = list(import_users(usernames=names).values())
    list(import_follows(edges=[(friend, celebrity) for friend in friends]))
    list(import_follows(edges=[(friend, id_) for friend in friends for id_ in ids]))
    list(import_follows(edges=[(me, friend) for friend in friends]))
    list(import_follows(edges=[(me, id_) for id_ in ids[:FOLLOWS_OF_EACH]]))
    suggested(me, limit=50)  # so that names are cached
    with django_assert_num_queries(2):
        found = suggested(me, limit=50)
    assert celebrity not in found, "of each friend the newest follows are read"
    # Ids of one millisecond are in no particular order, so these are nearly the newest.
    assert found
    assert found.keys() <= set(ids[FOLLOWS_OF_EACH:])
