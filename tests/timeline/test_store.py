"""The contract of the timeline store, on a real Valkey, against a small oracle."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from random import randrange

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.valkey import cache_valkey
from timeline import store
from timeline.keys import home_key
from timeline.store import Ref, StoredSlice, TimelineSlice, Viewing

pytestmark = pytest.mark.usefixtures("stack")

CAP = 8
GRAPH_LSN = 1000
VIEWING = Viewing(graph_lsn=GRAPH_LSN)
AUTHOR = 7
BIG = 2**62  # ids that differ beyond the 53 bits of a double
_user_ids = count(randrange(10**9) * 10**6)


@pytest.fixture(autouse=True)
def small_cap(settings: object) -> None:
    settings.TIMELINE_CAP = CAP  # type: ignore[attr-defined]


@pytest.fixture
def key() -> Iterator[str]:
    """The key of a timeline that no other test has."""
    name = home_key(next(_user_ids))
    yield name
    store.drop(keys=[name])


def ref(number: int) -> Ref:
    return BIG + number, AUTHOR


def finish(key: str, lease: bytes, numbers: list[int]) -> bool:
    refs = [ref(number) for number in sorted(numbers, reverse=True)]
    return store.finish_build(key=key, lease=lease, refs=refs, is_end=True, viewing=VIEWING)


def warm(key: str, numbers: list[int]) -> None:
    lease = store.begin_build(key=key, graph_lsn=GRAPH_LSN)
    assert lease is not None
    assert finish(key, lease, numbers)


def numbers_of(part: TimelineSlice | None) -> list[int]:
    assert part is not None
    return [post_id - BIG for post_id, _ in part.refs]


def test_a_cold_timeline_stays_cold_when_posts_are_delivered(key: str) -> None:
    assert store.deliver(keys=[key], refs=[ref(1)]) == 0
    assert store.read(key=key, before=None, limit=5) is None


def test_an_entry_takes_16_bytes_and_names_post_and_author(key: str) -> None:
    warm(key, [1])
    assert cache_valkey().lindex(key, 1) == (BIG + 1).to_bytes(8) + AUTHOR.to_bytes(8)


def test_a_warm_empty_timeline_is_not_a_cold_one(key: str) -> None:
    warm(key, [])
    assert store.read(key=key, before=None, limit=5) == StoredSlice(
        [], is_end=True, viewing=VIEWING
    )
    assert store.deliver(keys=[key], refs=[ref(1)]) == 1
    assert store.read(key=key, before=None, limit=5) == StoredSlice(
        [ref(1)], is_end=True, viewing=VIEWING
    )


def test_one_call_reaches_the_timelines_of_all_slots_in_one_round_trip(
    round_trips: Callable[[], int],
) -> None:
    keys = [home_key(next(_user_ids)) for _ in range(200)]
    for name in keys:
        warm(name, [])
    store.deliver(keys=keys, refs=[ref(0)])  # the server knows the script from now on
    before = round_trips()
    assert store.deliver(keys=keys, refs=[ref(1)]) == 200
    assert round_trips() - before == 1
    store.drop(keys=keys)


@given(
    old=st.sets(st.integers(0, 30), max_size=12),
    deliveries=st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=4), max_size=12),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_deliveries_late_and_repeated_land_once_and_in_order(
    key: str, old: set[int], deliveries: list[list[int]]
) -> None:
    store.drop(keys=[key])
    kept = sorted(old, reverse=True)[:CAP]
    warm(key, list(old))
    cut_at = min(kept) if len(old) > CAP else None
    for batch in deliveries:
        store.deliver(keys=[key], refs=[ref(number) for number in batch])
        for number in batch:  # the oracle: what is older than a cut belongs to SQL
            if cut_at is None or number > cut_at:
                kept = sorted({number, *kept}, reverse=True)
            if len(kept) > CAP:
                kept = kept[:CAP]
                cut_at = kept[-1]
    part = store.read(key=key, before=None, limit=CAP + 1)
    assert numbers_of(part) == kept
    assert part is not None
    assert part.is_end == (cut_at is None)


@given(
    numbers=st.sets(st.integers(0, 40), max_size=CAP - 1),
    before=st.integers(0, 41),
    limit=st.integers(1, 10),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_page_begins_after_any_id_whether_or_not_it_is_there(
    key: str, numbers: set[int], before: int, limit: int
) -> None:
    store.drop(keys=[key])
    warm(key, list(numbers))
    part = store.read(key=key, before=BIG + before, limit=limit)
    older = sorted((n for n in numbers if n < before), reverse=True)
    assert numbers_of(part) == older[:limit]
    assert part is not None
    assert part.is_end == (len(older) < limit)


def test_a_full_timeline_grows_a_little_and_is_then_trimmed_to_its_cap(
    key: str, settings: object
) -> None:
    settings.TIMELINE_CAP = cap = 2 * store.SLACK  # type: ignore[attr-defined]
    first = 3 * cap
    warm(key, list(range(first - cap, first)))
    lengths = []
    for number in range(first, first + 6):
        store.deliver(keys=[key], refs=[ref(number)])
        seen = store.peek(key=key)
        assert seen is not None
        lengths.append((len(seen.refs), seen.kind))
        newest = list(range(number, number - len(seen.refs), -1))
        assert numbers_of(store.read(key=key, before=None, limit=999)) == newest
    complete, cut = store.COMPLETE, store.CUT
    grown = [(cap + 1, complete), (cap + 2, complete), (cap, cut)]
    assert lengths == [*grown, (cap + 1, cut), (cap + 2, cut), (cap, cut)]


def test_a_small_one_is_trimmed_to_exactly_the_cap(key: str) -> None:
    warm(key, [0])
    for number in range(1, 3 * CAP):
        store.deliver(keys=[key], refs=[ref(number)])
    assert cache_valkey().llen(key) == CAP + 1, "and the header"
    newest = list(range(3 * CAP - 1, 2 * CAP - 1, -1))
    assert numbers_of(store.read(key=key, before=None, limit=99)) == newest


def test_a_post_older_than_the_cut_is_left_to_sql(key: str) -> None:
    warm(key, list(range(10, 11 + CAP)))
    assert store.deliver(keys=[key], refs=[ref(3)]) == 0
    assert 3 not in numbers_of(store.read(key=key, before=None, limit=99))


def test_only_one_of_many_readers_builds(key: str) -> None:
    with ThreadPoolExecutor(16) as pool:
        leases = list(
            pool.map(lambda _: store.begin_build(key=key, graph_lsn=GRAPH_LSN), range(64))
        )
    assert sum(lease is not None for lease in leases) == 1


def test_what_is_delivered_during_a_build_is_kept_once(key: str) -> None:
    lease = store.begin_build(key=key, graph_lsn=GRAPH_LSN)
    assert lease is not None
    store.deliver(keys=[key], refs=[ref(5), ref(2)])
    assert store.read(key=key, before=None, limit=9) is None, "half-built is not readable"
    assert store.finish_build(
        key=key, lease=lease, refs=[ref(4), ref(2), ref(1)], is_end=True, viewing=VIEWING
    )
    assert numbers_of(store.read(key=key, before=None, limit=9)) == [5, 4, 2, 1]


def test_a_build_that_is_overrun_by_deliveries_keeps_nothing(key: str) -> None:
    lease = store.begin_build(key=key, graph_lsn=GRAPH_LSN)
    assert lease is not None
    numbers = list(range(60, 60 + CAP))
    store.deliver(keys=[key], refs=[ref(number) for number in (*numbers, 25)])
    assert not store.finish_build(
        key=key, lease=lease, refs=[ref(50), ref(25)], is_end=True, viewing=VIEWING
    )
    assert store.read(key=key, before=None, limit=9) is None, "not warm with a hole in it"


def test_a_timeline_dropped_during_its_build_stays_cold(key: str) -> None:
    lease = store.begin_build(key=key, graph_lsn=GRAPH_LSN)
    assert lease is not None
    store.drop(keys=[key])
    assert not finish(key, lease, [1])
    assert store.read(key=key, before=None, limit=9) is None


def test_an_abandoned_build_lapses_though_posts_are_delivered_and_readers_come(key: str) -> None:
    assert store.begin_build(key=key, graph_lsn=GRAPH_LSN)
    store.deliver(keys=[key], refs=[ref(1)])
    store.read(key=key, before=None, limit=9)
    assert 0 < cache_valkey().pttl(key) <= store.BUILD_LEASE_MS


def test_reading_extends_the_life_of_a_timeline(key: str) -> None:
    warm(key, [1])
    cache_valkey().expire(key, 60)
    store.read(key=key, before=None, limit=9)
    assert cache_valkey().ttl(key) > 13 * 24 * 3600


def test_a_read_only_read_extends_no_life(key: str) -> None:
    warm(key, [1, 2])
    cache_valkey().expire(key, 60)
    assert numbers_of(store.read(key=key, before=None, limit=1, read_only=True)) == [2]
    assert cache_valkey().ttl(key) <= 60


def test_a_delivery_does_not_enter_a_timeline_that_was_built_since(key: str) -> None:
    warm(key, [1])
    assert store.deliver_to_slots(slots=[[key]], refs=[ref(2)], graph_lsn=GRAPH_LSN - 1) == 0
    assert store.deliver_to_slots(slots=[[key]], refs=[ref(2)], graph_lsn=GRAPH_LSN) == 1
    assert store.deliver_to_slots(slots=[[key]], refs=[ref(3)], graph_lsn=GRAPH_LSN + 1) == 1
    assert numbers_of(store.read(key=key, before=None, limit=9)) == [3, 2, 1]


def test_a_delivery_does_not_enter_a_build_that_has_begun_since(key: str) -> None:
    lease = store.begin_build(key=key, graph_lsn=GRAPH_LSN)
    assert lease is not None
    assert store.deliver_to_slots(slots=[[key]], refs=[ref(2)], graph_lsn=GRAPH_LSN - 1) == 0
    assert store.deliver_to_slots(slots=[[key]], refs=[ref(3)], graph_lsn=GRAPH_LSN) == 1


@given(
    pulled=st.lists(st.integers(1, 2**63 - 1), max_size=5).map(tuple),
    graph_lsn=st.integers(0, 2**63 - 1),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_timeline_stores_which_authors_are_pulled(
    key: str, pulled: tuple[int, ...], graph_lsn: int
) -> None:
    store.drop(keys=[key])
    viewing = Viewing(graph_lsn, pulled)
    lease = store.begin_build(key=key, graph_lsn=graph_lsn)
    assert lease is not None
    assert store.finish_build(key=key, lease=lease, refs=[], is_end=True, viewing=viewing)
    for number in range(2 * CAP):
        store.deliver(keys=[key], refs=[ref(number)])
    page = store.read(key=key, before=None, limit=1)
    assert page is not None
    assert page.viewing == viewing


def test_pages_of_many_timelines_are_read_in_one_round_trip(
    key: str, round_trips: Callable[[], int]
) -> None:
    keys = [home_key(next(_user_ids)) for _ in range(100)]
    for number, name in enumerate(keys[1:]):
        warm(name, [number])
    store.read_many(keys=keys, before=None, limit=2)  # the server knows the script from now on
    before = round_trips()
    pages = store.read_many(keys=keys, before=None, limit=2)
    assert round_trips() - before == 1
    assert pages.pop(keys[0]) is None
    assert [numbers_of(pages[name]) for name in keys[1:]] == [[number] for number in range(99)]
    store.drop(keys=keys)


def test_a_cut_timeline_whose_entries_are_all_removed_is_cold(key: str) -> None:
    """It no longer knows where it was cut, and would take an older post for its newest."""
    warm(key, list(range(10, 12 + CAP)))
    for number in range(10, 12 + CAP):
        store.remove(keys=[key], ref=ref(number))
    assert store.deliver(keys=[key], refs=[ref(3)]) == 0
    assert store.read(key=key, before=None, limit=9) is None


def test_a_removed_post_is_gone_from_each_timeline(key: str) -> None:
    warm(key, [1, 2, 3])
    store.remove(keys=[key], ref=ref(2))
    assert numbers_of(store.read(key=key, before=None, limit=9)) == [3, 1]


def test_scripts_are_loaded_again_by_a_server_that_lost_them(key: str) -> None:
    warm(key, [1])
    cache_valkey().script_flush()
    assert numbers_of(store.read(key=key, before=None, limit=9)) == [1]
