"""Push or pull: by the number of followers, with a gap between the two limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.costs import counted
from usergraph.models import Follow
from usergraph.selectors import edge, followed_authors, follower_id_batches
from usergraph.services import choose_delivery_mode, finish_mode_change, import_follows
from usergraph.store import count_followers, drop_followers

pytestmark = pytest.mark.django_db

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
    """It is the limit that moves here: to the author that is the same. Whether the followers are
    kept in Valkey makes no difference.
    """
    settings.FANOUT_PUSH_LIMIT = 10
    is_pulled = settle(author)
    assert not is_pulled
    for limit, are_kept in limits:
        drop_followers(author_ids=[author])
        if are_kept:
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


def test_followers_who_are_kept_are_not_counted_in_sql(author: int, settings: Any) -> None:
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


def test_while_it_changes_who_reads_anew_already_goes_by_the_new_way(
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
    assert choose_delivery_mode(author_id=author) == leaving, "who is late ends no later change"
