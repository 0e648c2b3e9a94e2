"""What Fan-out tells Timeline."""

from datetime import timedelta

import pytest
from django.utils import timezone

from core.ids import created_at_of, first_id_at
from core.outbox.models import OutboxEvent
from fanout.services import note_what_is_delivered
from timeline import services as timeline_services

pytestmark = pytest.mark.django_db


def test_what_is_delivered_is_noted_up_to_the_oldest_that_is_not(
    bob: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[int] = []
    monkeypatch.setattr(
        timeline_services, "note_delivered_up_to", lambda *, post_id: noted.append(post_id)
    )
    note_what_is_delivered()
    an_hour_ago = first_id_at(timezone.now() - timedelta(hours=1))
    undone = OutboxEvent.objects.using("posts").create(
        id=an_hour_ago, kind="post_published", payload={}, wake_at=timezone.now()
    )
    note_what_is_delivered()
    undone.done_at = timezone.now()
    undone.save(using="posts")
    note_what_is_delivered()
    before, meanwhile, after = noted
    assert meanwhile < an_hour_ago < before <= after
    assert created_at_of(after) < timezone.now() - timedelta(seconds=59), "or not committed yet"
