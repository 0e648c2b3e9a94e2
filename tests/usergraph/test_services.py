"""Following and unfollowing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from core.cached_values import CacheBatch
from core.http.problems import Conflict, Invalid
from core.outbox.models import OutboxEvent
from usergraph import selectors
from usergraph.services import follow_user, import_follows, unfollow_user
from users.models import User

pytestmark = pytest.mark.django_db


def followers(user_id: int, size: int = 100) -> list[int]:
    batches = selectors.follower_id_batches(author_id=user_id, size=size)
    return [id_ for batch in batches for id_ in batch]


def test_following_twice_is_following_once(alice: int, bob: int) -> None:
    assert follow_user(follower_id=alice, followee_id=bob)
    assert not follow_user(follower_id=alice, followee_id=bob)
    assert selectors.followed_authors(viewer_id=alice).pushed == [bob]
    assert not selectors.is_following(follower_id=bob, followee_id=alice)


def test_unfollowing_somebody_who_is_not_followed_changes_nothing(alice: int, bob: int) -> None:
    assert not unfollow_user(follower_id=alice, followee_id=bob)
    follow_user(follower_id=alice, followee_id=bob)
    assert unfollow_user(follower_id=alice, followee_id=bob)
    assert selectors.followed_authors(viewer_id=alice).pushed == []


def test_who_is_kept_out_is_not_listed_but_can_be_unfollowed(
    alice: int, bob: int, api: Callable[[int], Any]
) -> None:
    follow_user(follower_id=alice, followee_id=bob)
    User.objects.filter(pk=bob).update(is_active=False)
    assert selectors.following_page(user_id=alice, after=None, limit=5) == ([], None)
    username = User.objects.get(pk=bob).username
    assert api(alice).put(f"/api/v1/users/{username}/follow").status_code == 404
    assert api(alice).delete(f"/api/v1/users/{username}/follow").status_code == 204
    assert not selectors.is_following(follower_id=alice, followee_id=bob)


def test_nobody_follows_themselves(alice: int) -> None:
    with pytest.raises(Invalid, match="yourself"):
        follow_user(follower_id=alice, followee_id=alice)


def test_the_limit_of_followed_accounts_is_said(alice: int, bob: int, settings: Any) -> None:
    settings.FOLLOWING_LIMIT = 0
    with pytest.raises(Conflict, match="limit"):
        follow_user(follower_id=alice, followee_id=bob)


def test_each_change_is_recorded_in_the_outbox_and_no_change_is_not(alice: int, bob: int) -> None:
    follow_user(follower_id=alice, followee_id=bob)
    follow_user(follower_id=alice, followee_id=bob)
    unfollow_user(follower_id=alice, followee_id=bob)
    events = OutboxEvent.objects.filter(payload={"follower_id": alice, "followee_id": bob})
    assert [event.kind for event in events] == ["follow_changed"] * 2


def test_the_cached_followers_follow_every_change(
    alice: int,
    bob: int,
    person: Callable[[str], int],
    django_capture_on_commit_callbacks: Any,
) -> None:
    cleo = person("cleo")
    for change, follower_id, expected in [
        (follow_user, alice, [alice]),
        (follow_user, cleo, [alice, cleo]),
        (unfollow_user, alice, [cleo]),
    ]:
        with django_capture_on_commit_callbacks(using="default", execute=True):
            change(follower_id=follower_id, followee_id=bob)
        assert followers(bob) == sorted(expected)
        assert followers(bob) == sorted(expected), "and again, from Valkey"


@pytest.mark.parametrize("cache_limit", [100, 3], ids=["cached", "too many to cache"])
@pytest.mark.parametrize("size", [1, 3, 7, 8])
def test_batches_hold_every_follower_once_in_id_order(
    bob: int, person: Callable[[str], int], settings: Any, size: int, cache_limit: int
) -> None:
    settings.FANOUT_PUSH_LIMIT = cache_limit
    expected = sorted(person("follower") for _ in range(7))
    list(import_follows(edges=[(id_, bob) for id_ in expected], batch_size=3))
    batches = list(selectors.follower_id_batches(author_id=bob, size=size))
    assert [id_ for batch in batches for id_ in batch] == expected
    assert all(len(batch) <= size for batch in batches)
    rest = selectors.follower_id_batches(author_id=bob, after=expected[3], size=size)
    assert [id_ for batch in rest for id_ in batch] == expected[4:]


def test_importing_edges_twice_imports_them_once(alice: int, bob: int) -> None:
    for _ in range(2):
        assert sum(import_follows(edges=[(alice, bob), (bob, alice)])) == 2
    assert followers(bob) == [alice]


def test_an_import_is_seen_by_whose_follows_were_kept(alice: int, bob: int) -> None:
    def kept() -> frozenset[int]:
        batch = CacheBatch()
        followed = selectors.add_followed(batch, viewer_ids=[alice])
        batch.read()
        return followed.values[alice]

    assert kept() == frozenset()
    list(import_follows(edges=[(alice, bob)]))
    assert kept() == {bob}
