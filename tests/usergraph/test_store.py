"""Cached followers, on a real Valkey."""

from itertools import count
from random import randrange

import pytest

from core.valkey import cache_valkey
from usergraph import store
from usergraph.keys import FOLLOWERS_TTL, followers_key

pytestmark = pytest.mark.usefixtures("stack")

_author_ids = count(randrange(10**9) * 10**6)
BIG = 2**62


@pytest.fixture
def author_id() -> int:
    return next(_author_ids)


def load(author_id: int, follower_ids: list[int]) -> None:
    lease = store.take_fill_lease(author_id=author_id)
    assert store.store_followers(author_id=author_id, lease=lease, follower_ids=follower_ids)


def test_no_entry_is_a_miss_and_an_entry_without_followers_is_not(author_id: int) -> None:
    assert store.read_followers(author_id=author_id) is None
    load(author_id, [])
    assert store.read_followers(author_id=author_id) == []


def test_ids_of_any_size_come_back_in_order_and_counted(author_id: int) -> None:
    ids = [1, 2, 3, BIG, BIG + 1]
    assert store.count_followers(author_id=author_id) == 0
    load(author_id, ids)
    assert store.read_followers(author_id=author_id) == ids
    assert store.count_followers(author_id=author_id) == len(ids)
    assert 0 < cache_valkey().ttl(followers_key(author_id)) <= FOLLOWERS_TTL


def test_a_change_of_the_graph_drops_the_entry_of_the_release_before_too(author_id: int) -> None:
    """That release may run beside this one, or in its place again."""
    cache_valkey().zadd(f"followers:v1:{{{author_id}}}", {"somebody": 0})
    store.drop_followers(author_ids=[author_id])
    assert not cache_valkey().exists(f"followers:v1:{{{author_id}}}")


def test_what_was_read_before_a_change_of_the_graph_is_not_stored(author_id: int) -> None:
    lease = store.take_fill_lease(author_id=author_id)
    store.drop_followers(author_ids=[author_id])
    assert not store.store_followers(author_id=author_id, lease=lease, follower_ids=[1])
    assert store.read_followers(author_id=author_id) is None
