"""Wake-ups."""

import pytest
from celery import current_app

from core.outbox import rows
from core.outbox.models import OutboxEvent


@pytest.mark.django_db
def test_a_wake_up_of_the_release_before_delivers_the_row(alice: int) -> None:
    payload = {"user_id": alice}
    event_id = rows.record(
        database="default", kind="user_changed", subscriber="users", payload=payload
    )
    wake_up = current_app.tasks["fanout.tasks.deliver_event"]
    wake_up(database="default", event_id=event_id, added_by_a_later_release=True)
    assert OutboxEvent.objects.get(pk=event_id).done_at is not None
