"""User documents and profiles."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from core.http.problems import NotFound
from tests.support.viewers import STRANGERS
from usergraph.services import follow_user
from users import selectors
from users.models import User
from users.services import import_users, set_active, update_profile

pytestmark = pytest.mark.django_db


def username_of(user_id: int) -> str:
    return User.objects.get(pk=user_id).username


def test_documents_of_many_users_are_one_query_without_the_deactivated(
    alice: int, bob: int, person: Callable[[str], int], django_assert_num_queries: Any
) -> None:
    gone = person("gone")
    set_active(user_ids=[gone], active=False)
    with django_assert_num_queries(1):
        documents = selectors.user_documents(user_ids=[bob, alice, bob, gone, 1])
    with django_assert_num_queries(0):
        assert documents == selectors.user_documents(user_ids=[alice, bob, gone, 1])
    assert set(documents) == {alice, bob}
    assert orjson.loads(documents[alice]) == {
        "id": str(alice),
        "username": username_of(alice),
        "display_name": "",
        "avatar_url": None,
        "is_private": False,
    }


def test_an_avatar_is_shown_by_its_public_address(alice: int) -> None:
    User.objects.filter(pk=alice).update(avatar_key="public/media/abc/thumb.jpg")
    shown = orjson.loads(selectors.user_documents(user_ids=[alice])[alice])
    assert shown["avatar_url"].startswith("http")
    assert shown["avatar_url"].endswith("public/media/abc/thumb.jpg")


def test_a_profile_counts_and_says_whether_the_viewer_follows(alice: int, bob: int) -> None:
    follow_user(follower_id=alice, followee_id=bob)
    name = username_of(bob)
    seen = selectors.profile(username=name.upper(), viewer_id=alice)
    assert seen["counts"] == {"posts": 0, "followers": 1, "following": 0}
    assert seen["viewer"] == STRANGERS | {"following": True}
    own = selectors.own_profile(user_id=bob)
    assert own["viewer"] == STRANGERS
    assert {key: own[key] for key in own if key != "viewer"} == {
        key: seen[key] for key in seen if key != "viewer"
    }


def test_a_deactivated_user_has_no_profile(alice: int, bob: int) -> None:
    name = username_of(bob)
    set_active(user_ids=[bob], active=False)
    with pytest.raises(NotFound, match=name):
        selectors.profile(username=name, viewer_id=alice)
    with pytest.raises(NotFound):
        selectors.user_id_by_username(username=name)
    with pytest.raises(NotFound):
        selectors.own_profile(user_id=bob)


def test_a_renamed_user_is_found_by_either_name_with_one_query(
    alice: int, bob: int, unique: Callable[[str], str], django_assert_num_queries: Any
) -> None:
    old, new = username_of(alice), unique("renamed")
    update_profile(user_id=alice, changes={"username": new})
    for name in (old, new):
        with django_assert_num_queries(1):
            assert selectors.user_id_by_username(username=name) == alice
    with pytest.raises(NotFound):
        selectors.user_id_by_username(username=unique("nobody"))


def test_imported_accounts_are_active_and_nobody_has_signed_up_with_them(
    unique: Callable[[str], str], person: Callable[[str], int]
) -> None:
    prefix = unique("crowd")
    names = [f"{prefix}_{letter}" for letter in "abc"]
    ids = import_users(usernames=names)
    set_active(user_ids=[ids[names[2]]], active=False)
    person(prefix)  # has an address
    User.objects.create_user(f"{prefix}_d", password="low-tide-at-dawn")
    import_users(usernames=[unique("other")])
    found = selectors.imported_accounts(prefix=f"{prefix}_")
    assert found == {name: ids[name] for name in names[:2]}
