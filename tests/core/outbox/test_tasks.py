"""Wake-ups."""

from dataclasses import dataclass
from datetime import timedelta
from queue import Empty
from typing import Any

import pytest
from celery import current_app
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from core.outbox import rows, subscriptions, tasks
from core.outbox.events import Event
from core.outbox.models import OutboxEvent
from core.outbox.tasks import sweep_outbox

# No worker listens to it.
QUEUE = "mushrooms"


@dataclass(frozen=True)
class Rained:
    """The payload that the tests announce."""

    post_id: int


@pytest.mark.django_db
def test_a_wake_up_of_the_release_before_delivers_the_row(alice: int) -> None:
    payload = {"user_id": alice}
    event_id = rows.record(
        database="default", kind="user_changed", subscriber="users", payload=payload
    )
    wake_up = current_app.tasks["fanout.tasks.deliver_event"]
    wake_up(database="default", event_id=event_id, added_by_a_later_release=True)
    assert OutboxEvent.objects.get(pk=event_id).done_at is not None


def woken() -> list[int]:
    """The rows that the broker has wake-ups for in the queue; they are taken out."""
    found: list[int] = []
    with current_app.connection_for_read() as connection, connection.SimpleQueue(QUEUE) as queue:
        while True:
            try:
                message = queue.get_nowait()
            except Empty:
                return found
            found.append(message.payload[1]["event_id"])
            message.ack()


@pytest.mark.django_db
def test_the_workers_of_the_handlers_queue_are_woken(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    monkeypatch.setattr(subscriptions, "_subscriptions", {})
    rained = Event("rained", Rained, database="posts")
    rained.subscribe("farmers", queue=QUEUE)(lambda rain, cursor: ())
    with django_capture_on_commit_callbacks(using="posts", execute=True):
        rained.announce(Rained(post_id=3))
    rows_ = OutboxEvent.objects.using("posts").filter(kind="rained")
    assert woken() == [rows_.get().pk]
    rows_.update(wake_at=Now() - timedelta(days=1))
    sweep_outbox()
    assert woken() == [rows_.get().pk]


@pytest.mark.django_db
def test_a_queue_that_nobody_works_on_does_not_fill_the_broker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscriptions, "_subscriptions", {})
    monkeypatch.setattr(tasks, "FULL_QUEUE", 3)
    rained = Event("rained", Rained, database="posts")
    rained.subscribe("farmers", queue=QUEUE)(lambda rain, cursor: ())
    for post_id in range(5):
        rained.announce(Rained(post_id=post_id))
    overdue = OutboxEvent.objects.using("posts").filter(kind="rained")
    for _ in range(4):
        overdue.update(wake_at=Now() - timedelta(days=1))
        sweep_outbox()
    assert len(woken()) == 5, "the first sweep finds the queue empty, and the others do not"
    sweep_outbox()
    assert len(woken()) == 5


@pytest.mark.django_db
def test_rows_that_a_sweep_could_not_wake_are_woken_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscriptions, "_subscriptions", {})
    rained = Event("rained", Rained, database="posts")
    rained.subscribe("farmers", queue=QUEUE)(lambda rain, cursor: ())
    for post_id in range(3):
        rained.announce(Rained(post_id=post_id))
    overdue = OutboxEvent.objects.using("posts").filter(kind="rained")
    overdue.update(wake_at=Now() - timedelta(days=1))
    real, sent = tasks.wake, []

    def wake(**kwargs: Any) -> None:
        sent.append(kwargs["event_id"])
        if len(sent) == 2:
            raise OperationalError("the node of the broker is gone")
        real(**kwargs)

    monkeypatch.setattr(tasks, "wake", wake)
    with pytest.raises(OperationalError):
        sweep_outbox()
    first = woken()
    assert first == sent[:1], "its wake-up was sent, so it is left to a worker"
    sweep_outbox()
    assert {*first, *woken()} == {*overdue.values_list("pk", flat=True)}
    assert len(sent) == 4
