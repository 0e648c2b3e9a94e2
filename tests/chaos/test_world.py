"""What a scenario waits for at its end."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from core.counters import CounterChange
from core.outbox import rows
from core.outbox.models import OutboxEvent
from core.sql import PRIMARIES
from tests.chaos.world import wait_until_drained


@pytest.fixture
def nothing_left(db: None) -> None:
    """All work of other tests is done; rolled back after the test."""
    for database in PRIMARIES:
        OutboxEvent.objects.using(database).filter(done_at=None).update(done_at=Now())
        CounterChange.objects.using(database).all().delete()


def record(kind: str, wake_after: timedelta) -> None:
    rows.record(database="posts", kind=kind, subscriber="media", payload={}, wake_after=wake_after)


@pytest.mark.django_db
@pytest.mark.usefixtures("nothing_left")
def test_what_is_due_is_waited_for_and_shown_and_what_is_for_later_is_not() -> None:
    record("upload_ended", timedelta(hours=1))
    wait_until_drained(0.2)
    record("upload_sent", timedelta(seconds=0.1))
    with pytest.raises(AssertionError, match=r"1 in posts.*upload_sent"):
        wait_until_drained(0.2)
