"""Following and unfollowing; push or pull by the number of followers, with a gap between."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.http.problems import Conflict, Invalid
from core.outbox.models import OutboxEvent
from tests.support.costs import counted
from usergraph import selectors
from usergraph.models import Follow
from usergraph.related import relations
from usergraph.selectors import edge, followed_authors, follower_id_batches
from usergraph.services import (
    choose_delivery_mode,
    finish_mode_change,
    follow_user,
    import_follows,
    unfollow_user,
)
from usergraph.store import count_followers, drop_followers
from usergraph.visibility import viewpoint_of
from users.models import User

pytestmark = pytest.mark.django_db


def followers(user_id: int, size: int = 100) -> list[int]:
    batches = selectors.follower_id_batches(author_id=user_id, size=size)
    return [id_ for batch in batches for id_ in batch]


def test_following_twice_is_following_once(alice: int, bob: int) -> None:
    for _ in range(2):
        assert follow_user(follower_id=alice, followee_id=bob)
    assert selectors.followed_authors(viewer_id=alice).pushed == [bob]
    assert not relations(viewer_id=bob, user_ids=[alice])[alice]["following"]


def test_unfollowing_somebody_who_is_not_followed_changes_nothing(alice: int, bob: int) -> None:
    assert not unfollow_user(follower_id=alice, followee_id=bob)
    follow_user(follower_id=alice, followee_id=bob)
    assert unfollow_user(follower_id=alice, followee_id=bob)
    assert selectors.followed_authors(viewer_id=alice).pushed == []


def test_a_deactivated_user_is_not_listed_but_can_be_unfollowed(
    alice: int, bob: int, api: Callable[[int], Any]
) -> None:
    follow_user(follower_id=alice, followee_id=bob)
    User.objects.filter(pk=bob).update(is_active=False)
    assert selectors.following(user_id=alice, after=None, limit=5) == []
    username = User.objects.get(pk=bob).username
    assert api(alice).put(f"/api/v1/users/{username}/follow").status_code == 404
    assert api(alice).delete(f"/api/v1/users/{username}/follow").status_code == 200
    assert not relations(viewer_id=alice, user_ids=[bob])[bob]["following"]


def test_nobody_follows_themselves(alice: int) -> None:
    with pytest.raises(Invalid, match="yourself"):
        follow_user(follower_id=alice, followee_id=alice)


def test_the_limit_of_followed_accounts_is_named(alice: int, bob: int, settings: Any) -> None:
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


def test_an_import_drops_the_cached_follows_of_its_followers(alice: int, bob: int) -> None:
    def cached() -> frozenset[int]:
        return viewpoint_of(viewer_id=alice).followed.listed

    assert cached() == frozenset()
    list(import_follows(edges=[(alice, bob)]))
    assert cached() == {bob}


# --- Push or pull --------------------------------------------------------------------------------


FOLLOWERS = 4


@pytest.fixture
def author(person: Callable[[str], int]) -> int:
    """Somebody with four followers."""
    author_id = person("author")
    list(import_follows(edges=[(person("follower"), author_id) for _ in range(FOLLOWERS)]))
    return author_id


def settle(author_id: int) -> bool:
    """Review an author and do what fan-out does; returns whether the author is pulled then."""
    mode = choose_delivery_mode(author_id=author_id)
    if mode.change_token:
        finish_mode_change(author_id=author_id, change_token=mode.change_token)
        assert choose_delivery_mode(author_id=author_id).change_token is None
    return mode.is_pulled


@given(limits=st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=12))
@settings(
    max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_an_author_is_pulled_above_the_limit_and_pushed_again_well_below(
    author: int, settings: Any, limits: list[tuple[int, bool]]
) -> None:
    """The limit moves here, not the followers: to the author that is the same. Whether the
    followers are cached makes no difference.
    """
    settings.FANOUT_PUSH_LIMIT = 10
    is_pulled = settle(author)
    assert not is_pulled
    for limit, are_cached in limits:
        drop_followers(author_ids=[author])
        if are_cached:
            settings.FANOUT_PUSH_LIMIT = FOLLOWERS
            list(follower_id_batches(author_id=author, size=FOLLOWERS))
            assert count_followers(author_id=author) == FOLLOWERS
        settings.FANOUT_PUSH_LIMIT = limit
        if not is_pulled:
            is_pulled = limit < FOLLOWERS
        elif limit * 0.8 >= FOLLOWERS:
            is_pulled = False
        assert settle(author) == is_pulled
        assert edge(viewer_id=author, author_id=author).author_state == (
            "pulled" if is_pulled else "pushed"
        )


def test_cached_followers_are_not_counted_in_sql(author: int, settings: Any) -> None:
    settings.FANOUT_PUSH_LIMIT = FOLLOWERS
    list(follower_id_batches(author_id=author, size=FOLLOWERS))
    with counted() as costs:
        assert not choose_delivery_mode(author_id=author).is_pulled
    assert (len(costs.statements), costs.round_trips) == (1, 1)


def test_a_follow_counts_once_it_is_delivered(author: int, alice: int, settings: Any) -> None:
    settings.FANOUT_PUSH_LIMIT = FOLLOWERS
    list(follower_id_batches(author_id=author, size=FOLLOWERS))
    Follow.objects.create(follower_id=alice, followee_id=author)
    assert not choose_delivery_mode(author_id=author).is_pulled
    drop_followers(author_ids=[author])
    assert choose_delivery_mode(author_id=author).is_pulled


def test_while_the_cache_is_down_sql_counts_them(
    author: int, settings: Any, closed_cache: None
) -> None:
    for limit, is_pulled in [(FOLLOWERS, False), (FOLLOWERS - 1, True)]:
        settings.FANOUT_PUSH_LIMIT = limit
        assert settle(author) == is_pulled
    assert [len(ids) for ids in follower_id_batches(author_id=author, size=3)] == [3, 1]


def test_while_the_mode_changes_new_reads_go_by_the_new_one(
    author: int, alice: int, settings: Any
) -> None:
    list(import_follows(edges=[(alice, author)]))

    def pulled() -> list[int]:
        return followed_authors(viewer_id=alice).pulled

    assert pulled() == []
    settings.FANOUT_PUSH_LIMIT = 1
    entering = choose_delivery_mode(author_id=author)
    assert (entering.is_pulled, pulled()) == (True, [author])
    settings.FANOUT_PUSH_LIMIT = 100
    assert choose_delivery_mode(author_id=author) == entering, (
        "one change is finished before the next"
    )
    assert entering.change_token
    finish_mode_change(author_id=author, change_token=entering.change_token)
    leaving = choose_delivery_mode(author_id=author)
    assert (leaving.is_pulled, pulled()) == (False, [])
    finish_mode_change(author_id=author, change_token=entering.change_token)
    assert choose_delivery_mode(author_id=author) == leaving, "a late end ends no later change"
