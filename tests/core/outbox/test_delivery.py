"""Each subscriber has a row of its own: its own lease, cursor and retries."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.models.functions import Now
from django.utils import timezone

from core.outbox import rows, subscriptions
from core.outbox.delivery import deliver_event
from core.outbox.events import Event
from core.outbox.models import OutboxEvent
from core.outbox.subscriptions import Step

pytestmark = pytest.mark.django_db

DATABASE = "posts"


@dataclass(frozen=True)
class Rained:
    """The payload that the tests announce."""

    post_id: int


class Subscribers:
    """Two apps that subscribe to `rained`. The first fails as long as it is broken."""

    def __init__(self, event: Event[Rained]) -> None:
        self.heard: dict[str, list[int]] = {"farmers": [], "tourists": []}
        self.cursors: list[int] = []
        self.is_broken = False
        event.subscribe("farmers", first=self.first)(self.farm)
        event.subscribe("tourists", in_request=True)(self.travel)

    def first(self, rain: Rained) -> None:
        self.heard["farmers"].append(-rain.post_id)

    def farm(self, rain: Rained, cursor: int) -> Iterator[Step]:
        self.cursors.append(cursor)
        yield Step(7, is_saved_at_once=True)
        if self.is_broken:
            raise ConnectionError("no umbrella")
        self.heard["farmers"].append(rain.post_id)

    def travel(self, rain: Rained, cursor: int) -> Iterable[Step]:
        self.heard["tourists"].append(rain.post_id)
        return ()


@pytest.fixture
def rained(monkeypatch: pytest.MonkeyPatch) -> Event[Rained]:
    """An event of this test alone, removed afterwards."""
    monkeypatch.setattr(subscriptions, "_subscriptions", {})
    return Event("rained", Rained, database=DATABASE)


@pytest.fixture
def subscribers(rained: Event[Rained]) -> Subscribers:
    return Subscribers(rained)


def pending(subscriber: str) -> list[int]:
    found = OutboxEvent.objects.using(DATABASE).filter(kind="rained", subscriber=subscriber)
    return list(found.filter(done_at=None).values_list("pk", flat=True))


def overdue_ids() -> list[int]:
    return [row.id for row in rows.claim_overdue(database=DATABASE, limit=10_000)]


def test_each_subscriber_gets_a_row(rained: Event[Rained], subscribers: Subscribers) -> None:
    rained.announce(Rained(post_id=3))
    assert subscribers.heard == {"farmers": [], "tourists": []}, "nothing before the commit"
    for subscriber in subscribers.heard:
        (event_id,) = pending(subscriber)
        done = deliver_event(database=DATABASE, event_id=event_id)
        assert done is not None
        assert (done.kind, done.subscriber) == ("rained", subscriber)
    assert subscribers.heard == {"farmers": [3], "tourists": [3]}
    assert not pending("farmers") + pending("tourists")


def test_a_subscriber_that_fails_holds_up_no_other_and_goes_on_at_its_cursor(
    rained: Event[Rained], subscribers: Subscribers
) -> None:
    subscribers.is_broken = True
    rained.announce(Rained(post_id=3))
    farmers, tourists = pending("farmers")[0], pending("tourists")[0]
    with pytest.raises(ConnectionError):
        deliver_event(database=DATABASE, event_id=farmers)
    assert deliver_event(database=DATABASE, event_id=tourists)
    row = OutboxEvent.objects.using(DATABASE).get(pk=farmers)
    assert "no umbrella" in row.last_error
    assert row.wake_at > timezone.now()
    subscribers.is_broken = False
    assert deliver_event(database=DATABASE, event_id=farmers)
    assert subscribers.heard == {"farmers": [3], "tourists": [3]}
    assert subscribers.cursors == [0, 7]


def test_after_the_commit_the_request_does_what_cannot_wait(
    rained: Event[Rained],
    subscribers: Subscribers,
    django_capture_on_commit_callbacks: Any,
) -> None:
    with django_capture_on_commit_callbacks(using=DATABASE, execute=True):
        rained.announce(Rained(post_id=3))
    assert subscribers.heard["tourists"] == [3]
    assert subscribers.heard["farmers"][0] == -3
    assert not pending("tourists")


def test_what_is_announced_later_waits_for_the_sweeper(
    rained: Event[Rained],
    subscribers: Subscribers,
    django_capture_on_commit_callbacks: Any,
) -> None:
    with django_capture_on_commit_callbacks(using=DATABASE) as callbacks:
        rained.announce(Rained(post_id=3), after=timedelta(hours=1))
    assert callbacks == []
    (event_id,) = pending("tourists")
    assert event_id not in overdue_ids()
    OutboxEvent.objects.using(DATABASE).filter(pk=event_id).update(
        wake_at=Now() - timedelta(seconds=1)
    )
    assert event_id in overdue_ids()


def test_a_row_of_the_release_before_reaches_every_subscriber(subscribers: Subscribers) -> None:
    """It names no subscriber, and may be delivered in part."""
    event_id = rows.record(
        database=DATABASE, kind="rained", subscriber="", payload={"post_id": 3, "more": 1}
    )
    OutboxEvent.objects.using(DATABASE).filter(pk=event_id).update(cursor=5)
    assert deliver_event(database=DATABASE, event_id=event_id)
    assert subscribers.cursors == [5]
    (other,) = pending("tourists")
    assert deliver_event(database=DATABASE, event_id=other)
    assert subscribers.heard == {"farmers": [3], "tourists": [3]}
    assert OutboxEvent.objects.using(DATABASE).filter(kind="rained").count() == 2


@pytest.mark.parametrize("subscriber", ["", "sailors"])
def test_a_row_of_no_known_subscriber_stays_pending(rained: Event[Rained], subscriber: str) -> None:
    event_id = rows.record(
        database=DATABASE, kind="rained", subscriber=subscriber, payload={"post_id": 3}
    )
    with pytest.raises(LookupError, match="rained"):
        deliver_event(database=DATABASE, event_id=event_id)
    assert pending(subscriber) == [event_id]


def test_an_app_subscribes_once(rained: Event[Rained], subscribers: Subscribers) -> None:
    with pytest.raises(ValueError, match="farmers"):
        rained.subscribe("farmers")(subscribers.farm)


@pytest.mark.usefixtures("subscribers")
@pytest.mark.parametrize("missing", [DATABASE, "default"])
def test_an_event_is_announced_inside_the_transaction_of_its_change_and_what_is_around(
    rained: Event[Rained], monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setattr(connections[missing], "in_atomic_block", False)
    with pytest.raises(RuntimeError, match=f"rained .* on {missing}"):
        rained.announce(Rained(post_id=3), around="default")
    assert not pending("farmers")
