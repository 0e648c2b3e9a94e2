"""Time-ordered ids, as PostgreSQL makes them."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections

from core.ids import MAX_ID, created_at_of, ids_within
from tests.conftest import ALL_DATABASES

pytestmark = pytest.mark.django_db


def next_ids(database: str, count: int) -> list[int]:
    with connections[database].cursor() as cursor:
        cursor.execute("SELECT socialfeed_next_id() FROM generate_series(1, %s)", [count])
        return [id_ for (id_,) in cursor.fetchall()]


@pytest.mark.parametrize("database", ALL_DATABASES)
def test_ids_are_unique_even_within_a_millisecond(database: str) -> None:
    ids = next_ids(database, 1000)
    assert len(set(ids)) == 1000
    assert all(0 < id_ <= MAX_ID for id_ in ids)
    # To the millisecond: within one, the sequence may wrap around.
    assert [id_ >> 23 for id_ in ids] == sorted(id_ >> 23 for id_ in ids)


def test_an_id_says_when_it_was_made() -> None:
    made = created_at_of(next_ids("posts", 1)[0])
    assert abs(datetime.now(UTC) - made) < timedelta(seconds=5)


def test_ids_of_two_databases_never_meet() -> None:
    shards = {db: {id_ >> 10 & 0x1FFF for id_ in next_ids(db, 20)} for db in ALL_DATABASES}
    assert shards == {"default": {1}, "posts": {2}, "comments": {3}}


def test_a_range_of_ids_is_bounded_by_time_on_both_sides() -> None:
    at = created_at_of(5 << 33)
    before, after = timedelta(milliseconds=3), timedelta(seconds=2)
    first, last = ids_within(5 << 33, before=before, after=after)
    assert (created_at_of(first), created_at_of(last)) == (at - before, at + after)
    assert (created_at_of(first - 1), created_at_of(last + 1)) == (
        at - before - timedelta(milliseconds=1),
        at + after + timedelta(milliseconds=1),
    )
    assert ids_within(1, before=after, after=before)[0] == 0
    assert ids_within(MAX_ID, before=after, after=after)[1] == MAX_ID
