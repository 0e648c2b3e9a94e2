"""The cached follower sets, on a real Valkey."""

from __future__ import annotations

from itertools import count
from random import randrange

import pytest

from socialfeed.common.valkey import cache_valkey
from usergraph import store
from usergraph.keys import followers_key

pytestmark = pytest.mark.usefixtures("stack")

_author_ids = count(randrange(10**9) * 10**6)
BIG = 2**62


@pytest.fixture
def author_id() -> int:
    return next(_author_ids)


def load(author_id: int, follower_ids: list[int]) -> None:
    token = store.begin_loading(author_id=author_id)
    assert store.keep_followers(author_id=author_id, token=token, follower_ids=follower_ids)


def test_a_set_that_is_not_there_is_a_miss_and_an_empty_one_is_not(author_id: int) -> None:
    assert store.read_followers(author_id=author_id, after=0, limit=10) is None
    load(author_id, [])
    assert store.read_followers(author_id=author_id, after=0, limit=10) == ([], True)


def test_followers_come_in_id_order_whatever_the_size_of_the_ids(author_id: int) -> None:
    ids = [BIG + 1, 3, BIG, 1, 2]
    load(author_id, ids)
    assert store.read_followers(author_id=author_id, after=0, limit=3) == ([1, 2, 3], False)
    assert store.read_followers(author_id=author_id, after=3, limit=3) == ([BIG, BIG + 1], True)
    assert store.read_followers(author_id=author_id, after=0, limit=5) == (sorted(ids), True)


def test_a_set_evicted_between_two_batches_is_a_miss_and_not_an_end(author_id: int) -> None:
    load(author_id, [1, 2, 3])
    assert store.read_followers(author_id=author_id, after=0, limit=2) == ([1, 2], False)
    cache_valkey().delete(followers_key(author_id))
    assert store.read_followers(author_id=author_id, after=2, limit=2) is None


def test_what_was_read_before_a_change_of_the_graph_is_not_kept(author_id: int) -> None:
    token = store.begin_loading(author_id=author_id)
    store.drop_followers(author_ids=[author_id])
    assert not store.keep_followers(author_id=author_id, token=token, follower_ids=[1])
    assert store.read_followers(author_id=author_id, after=0, limit=10) is None
