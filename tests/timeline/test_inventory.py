"""Which timelines are in Valkey, and how large they are."""

from collections.abc import Callable, Iterator

import pytest

from core.valkey import cache_valkey
from tests.support.drift import warm
from timeline import inventory, services, store
from timeline.entries import Timeline, home_timeline, profile_timeline

pytestmark = pytest.mark.django_db

NO_TEXT = b"home:v3:\xff"


@pytest.fixture
def others() -> Iterator[list[str]]:
    """Keys of CACHE that are no timelines, though some have similar names."""
    keys = [
        "post-deleted:v1:{7}",
        "home:v0:{7}:7",
        "home:v3:{8}:7",
        "profile:v3:{7}:07",
        "xhome:v2",
    ]
    client = cache_valkey()
    for key in [*(key.encode() for key in keys), NO_TEXT]:
        client.set(key, "1")
    yield keys
    client.delete(*keys, NO_TEXT)


def test_a_sample_is_of_distinct_timelines_and_touches_no_other_key(
    empty_cache: None, home: Timeline, bob: int, others: list[str]
) -> None:
    timelines = [home, profile_timeline(user_id=bob), profile_timeline(user_id=home.user_id)]
    for timeline in timelines[1:]:
        warm(timeline)
    assert {timeline.key for timeline in inventory.sampled_timelines(count=50)} == {
        timeline.key for timeline in timelines
    }
    assert len(inventory.sampled_timelines(count=2)) == 2
    assert all(cache_valkey().exists(key) for key in others)


def test_sampling_ends_where_there_is_no_timeline(
    empty_cache: None, others: list[str], round_trips: Callable[[], int]
) -> None:
    before = round_trips()
    assert inventory.sampled_timelines(count=5) == []
    assert round_trips() - before <= inventory.DRAWS_PER_TIMELINE


def test_all_warm_timelines_are_found_once_each_by_kind(
    empty_cache: None, bob: int, home: Timeline, others: list[str]
) -> None:
    homes = [home, *(home_timeline(user_id=10**12 + number) for number in range(250))]
    for timeline in homes[1:]:
        assert store.begin_build(key=timeline.key, graph_lsn=0)
    profile = profile_timeline(user_id=bob)
    warm(profile)
    *batches, last = inventory.warm_timelines()
    assert [len(batch) for batch in batches] == [100, 100, 51]
    assert {timeline for batch in batches for timeline in batch} == set(homes)
    assert last == [profile]
    services.drop_timelines(timelines=homes)


def test_timelines_that_are_rebuilt_meanwhile_are_not_found_again(
    empty_cache: None, bob: int, home: Timeline
) -> None:
    found = 0
    for batch in inventory.warm_timelines():
        for timeline in batch:
            services.rebuild(timeline=timeline)
            found += 1
    assert found == 1


def test_sizes_are_of_entries_and_memory(home: Timeline, bob: int) -> None:
    cold = profile_timeline(user_id=bob)
    size = inventory.size(timelines=[home, cold])
    assert (size.timelines, size.entries) == (1, 6)
    assert 6 * 16 < size.memory < 2000
