"""The life of an outbox row."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections
from django.db.models.functions import Now

from core.outbox import rows
from core.outbox.models import OutboxEvent

DATABASE = "posts"
HOUR = timedelta(hours=1)


def record() -> int:
    payload = {"post_id": 1, "author_id": 1}
    return rows.record(database=DATABASE, kind="post_deleted", subscriber="fanout", payload=payload)


def row(event_id: int) -> OutboxEvent:
    return OutboxEvent.objects.using(DATABASE).get(pk=event_id)


def change(event_id: int, **columns: Any) -> None:
    OutboxEvent.objects.using(DATABASE).filter(pk=event_id).update(**columns)


def overdue_ids() -> list[int]:
    return [row.id for row in rows.claim_overdue(database=DATABASE, limit=10_000)]


@pytest.mark.django_db
class TestOneDelivery:
    def test_a_row_has_one_deliverer_at_a_time(self) -> None:
        event_id = record()
        assert rows.take_lease(database=DATABASE, event_id=event_id)
        assert rows.take_lease(database=DATABASE, event_id=event_id) is None

    def test_a_lapsed_lease_is_taken_over_from_the_saved_cursor(self) -> None:
        event_id = record()
        frozen = rows.take_lease(database=DATABASE, event_id=event_id)
        assert frozen
        assert rows.save_cursor(frozen, cursor=42)
        change(event_id, lease_until=Now() - HOUR)
        heir = rows.take_lease(database=DATABASE, event_id=event_id)
        assert heir
        assert heir.event.cursor == 42
        assert not rows.save_cursor(frozen, cursor=43), "the frozen one notices"
        assert not rows.mark_done(frozen)
        assert row(event_id).cursor == 42
        assert rows.mark_done(heir)

    def test_a_done_row_is_never_delivered_again(self) -> None:
        event_id = record()
        lease = rows.take_lease(database=DATABASE, event_id=event_id)
        assert lease
        assert rows.mark_done(lease)
        assert rows.take_lease(database=DATABASE, event_id=event_id) is None
        change(event_id, wake_at=Now() - HOUR)
        assert event_id not in overdue_ids()

    def test_a_failure_is_noted_and_tried_again_later_each_time(self) -> None:
        event_id, waits = record(), []
        for _ in range(4):
            lease = rows.take_lease(database=DATABASE, event_id=event_id)
            assert lease
            rows.give_back(lease, cursor=0, error=ValueError("no such thing"))
            failed = row(event_id)
            assert "no such thing" in failed.last_error
            waits.append(failed.wake_at - failed.created_at)
        assert waits == sorted(waits)
        assert waits[-1] > 4 * waits[0]


@pytest.mark.django_db
class TestSweeping:
    def test_a_new_row_is_left_to_the_requests_own_wake_up(self) -> None:
        assert record() not in overdue_ids()

    def test_an_overdue_row_is_woken_once_in_a_lease(self) -> None:
        event_id = record()
        change(event_id, wake_at=Now() - HOUR)
        assert event_id in overdue_ids()
        assert event_id not in overdue_ids()

    def test_a_row_that_is_being_delivered_is_not_woken_until_its_lease_lapses(self) -> None:
        event_id = record()
        change(event_id, wake_at=Now() - HOUR)
        assert rows.take_lease(database=DATABASE, event_id=event_id)
        assert event_id not in overdue_ids()

    def test_rows_done_long_ago_are_pruned_and_no_others(self) -> None:
        old, recent, pending = record(), record(), record()
        change(old, done_at=Now() - timedelta(days=8))
        change(recent, done_at=Now() - timedelta(days=6))
        change(pending, created_at=Now() - timedelta(days=9))
        rows.prune(database=DATABASE)
        left = OutboxEvent.objects.using(DATABASE).filter(pk__in=[old, recent, pending])
        assert set(left.values_list("pk", flat=True)) == {recent, pending}


@pytest.mark.usefixtures("committed")
class TestRaces:
    def test_of_many_workers_one_gets_the_lease(self) -> None:
        event_id = record()
        leases = in_threads(lambda _: rows.take_lease(database=DATABASE, event_id=event_id), 32)
        taken = [lease for lease in leases if lease]
        assert len(taken) == 1
        assert rows.mark_done(taken[0])

    def test_no_two_sweepers_claim_the_same_row(self) -> None:
        error = str(uuid4())
        ids = [record() for _ in range(40)]
        OutboxEvent.objects.using(DATABASE).filter(pk__in=ids).update(
            wake_at=Now() - 1000 * HOUR, last_error=error
        )
        claims = in_threads(lambda _: rows.claim_overdue(database=DATABASE, limit=5), 16)
        claimed = [row.id for claim in claims for row in claim if row.id in ids]
        assert len(claimed) == len(set(claimed))
        OutboxEvent.objects.using(DATABASE).filter(pk__in=ids).delete()


def in_threads(function: Any, times: int) -> list[Any]:
    """Call a function many times at once, each thread with connections of its own."""

    def call(number: int) -> Any:
        try:
            return function(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(call, range(times)))
