"""Entries from all sources: lists, profile timelines of pulled authors, SQL."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from core.valkey import cache_valkey
from tests.support.posts_factory import make_posts
from timeline import entries, store
from timeline.entries import home_timeline, timeline_slice
from timeline.keys import home_key, profile_key
from usergraph.mutes import mute_user
from usergraph.services import choose_delivery_mode, finish_mode_change, import_follows

pytestmark = pytest.mark.django_db

CAP = 6


@pytest.fixture
def stars(alice: int, bob: int, person: Callable[[str], int], settings: Any) -> list[int]:
    """Three authors who are pulled, and bob, who is pushed; alice follows them all. Cap 6."""
    settings.TIMELINE_CAP, settings.FANOUT_PUSH_LIMIT = CAP, 1
    ids = [person("star") for _ in range(3)]
    fan = person("fan")
    list(import_follows(edges=[(who, star) for star in ids for who in (alice, fan)]))
    list(import_follows(edges=[(alice, bob)]))
    for star in ids:
        mode = choose_delivery_mode(author_id=star)
        assert mode.change_token
        finish_mode_change(author_id=star, change_token=mode.change_token)
    return ids


@pytest.fixture
def feed(bob: int, stars: list[int]) -> list[int]:
    """42 posts by all four, newest first; their lists are cut at very different times."""
    often = [*stars, stars[0], bob, stars[0]]
    ids = [make_posts(author, 1)[0] for _ in range(7) for author in often]
    return sorted(ids, reverse=True)


def read(alice: int, before: int | None, limit: int) -> list[int]:
    part = timeline_slice(timeline=home_timeline(user_id=alice), before=before, limit=limit)
    return [post_id for post_id, _ in part.refs]


def test_a_home_holds_pushed_authors_and_pulls_the_others(
    alice: int, bob: int, stars: list[int], feed: list[int]
) -> None:
    assert read(alice, None, 5) == feed[:5]
    stored = store.peek(key=home_key(alice))
    assert stored is not None
    assert {author_id for _, author_id in stored.refs} == {bob}
    assert set(stored.viewing.pulled) == set(stars)


@pytest.mark.parametrize("limit", [1, 4, 6, 7, 13, 42, 43])
def test_pages_go_on_across_the_cuts_of_all_lists(alice: int, feed: list[int], limit: int) -> None:
    for state in ("cold", "warm"):
        shown: list[int] = []
        while page := read(alice, shown[-1] if shown else None, limit):
            shown += page
        assert shown == feed, state


def test_a_warm_page_that_pulls_takes_two_round_trips_and_no_query(
    alice: int,
    feed: list[int],
    round_trips: Callable[[], int],
    django_assert_num_queries: Any,
) -> None:
    read(alice, None, 3)
    before = round_trips()
    with (
        django_assert_num_queries(0, using="default"),
        django_assert_num_queries(0, using="posts"),
    ):
        assert read(alice, None, 3) == feed[:3]
    assert round_trips() - before == 2


def test_at_the_cap_a_page_goes_on_in_sql_with_two_queries(
    alice: int,
    bob: int,
    settings: Any,
    round_trips: Callable[[], int],
    django_assert_num_queries: Any,
) -> None:
    settings.TIMELINE_CAP = CAP
    list(import_follows(edges=[(alice, bob)]))
    feed = make_posts(bob, 2 * CAP)[::-1]
    read(alice, None, 1)
    before = round_trips()
    with (
        django_assert_num_queries(1, using="default"),  # whom alice follows
        django_assert_num_queries(1, using="posts"),
    ):
        assert read(alice, feed[CAP - 3], 5) == feed[CAP - 2 : CAP + 3]
    assert round_trips() - before == 1


def test_a_reader_builds_a_few_of_the_cold_lists_that_it_pulls_and_has_the_rest_in_sql(
    alice: int,
    stars: list[int],
    feed: list[int],
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: Any,
) -> None:
    read(alice, None, 3)
    monkeypatch.setattr(entries, "MAX_BUILDS", 1)
    keys = [profile_key(star) for star in stars]
    cache_valkey().unlink(*keys)
    for warm, queries in enumerate((2, 2, 1, 0)):
        with django_assert_num_queries(queries, using="posts"):
            assert read(alice, None, 3) == feed[:3]
        assert cache_valkey().exists(*keys) == min(warm + 1, 3)


def test_muted_authors_are_left_out_of_lists_and_of_sql(
    alice: int, bob: int, stars: list[int], feed: list[int]
) -> None:
    muted = {bob, stars[0]}
    for author_id in muted:
        mute_user(muter_id=alice, muted_id=author_id)
    for _, limit in product(("cold", "warm"), (8, 50)):
        part = timeline_slice(timeline=home_timeline(user_id=alice), before=None, limit=limit)
        assert part.refs
        assert not [ref for ref in part.refs if ref[1] in muted]
    in_sql = entries.slice_in_sql(timeline=home_timeline(user_id=alice), before=None, limit=50)
    assert {author_id for _, author_id in in_sql.refs} == set(stars[1:])
