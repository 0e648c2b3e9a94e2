"""Which app has which handler for which event. The apps' `handlers.py` fill it at start-up."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Generic, NamedTuple, TypeVar

from core.outbox.rows import MAX_BACKOFF_SECONDS

Payload = TypeVar("Payload")
# Celery's own name for the queue of tasks that name none.
DEFAULT_QUEUE = "celery"


class Step(NamedTuple):
    """What a handler has just done.

    `cursor`: where the handler can go on if it is interrupted here. It is saved now and then; with
    `is_saved_at_once`, before the handler goes on. `entries`: how many entries of home timelines
    the step has written, for the metrics.
    """

    cursor: int
    entries: int = 0
    is_saved_at_once: bool = False


# Takes the payload and the saved cursor (0 at first). Works in steps and yields after each; a step
# may run twice.
Handler = Callable[[Payload, int], Iterable[Step]]


@dataclass(frozen=True)
class Subscription(Generic[Payload]):
    """One app's handler for one event; see `Event.subscribe`."""

    kind: str
    subscriber: str
    payload: type[Payload]
    handler: Handler[Payload]
    in_request: bool
    first: Callable[[Payload], object] | None
    queue: str
    longest_pause: int = MAX_BACKOFF_SECONDS

    def register(self) -> None:
        """Add it to the subscriptions; raises ValueError if the app has subscribed already."""
        known = _subscriptions.setdefault(self.kind, {})
        if self.subscriber in known:
            raise ValueError(f"{self.subscriber} has subscribed to {self.kind} already")
        known[self.subscriber] = self

    def steps(self, payload: Mapping[str, Any], cursor: int) -> Iterable[Step]:
        """Run the handler on a row's payload."""
        return self.handler(self._payload(payload), cursor)

    def do_first(self, payload: Mapping[str, Any]) -> None:
        """Do for a row's payload what the announcing request does before it wakes a worker."""
        if self.first is not None:
            self.first(self._payload(payload))

    def _payload(self, payload: Mapping[str, Any]) -> Payload:
        """A row's payload as its dataclass. Fields that the dataclass lacks are left out."""
        known = {field.name: payload[field.name] for field in fields(self.payload)}  # type: ignore[arg-type]
        return self.payload(**known)


_subscriptions: dict[str, dict[str, Subscription[Any]]] = {}


def subscribers_of(kind: str) -> list[Subscription[Any]]:
    """The subscriptions to an event, in the order in which apps were loaded; empty if none."""
    return list(_subscriptions.get(kind, {}).values())


def subscription_of(*, kind: str, subscriber: str) -> Subscription[Any]:
    """One app's subscription to an event; raises LookupError if this release has none."""
    try:
        return _subscriptions[kind][subscriber]
    except KeyError:
        raise LookupError(f"{subscriber} has no handler for {kind} in this release.") from None


def queue_of(*, kind: str, subscriber: str) -> str:
    """The queue whose workers run one app's handler for an event. It is the default one if this
    release has no such handler.
    """
    subscription = _subscriptions.get(kind, {}).get(subscriber)
    return DEFAULT_QUEUE if subscription is None else subscription.queue


def queues_apart() -> dict[str, list[tuple[str, str]]]:
    """The queues besides the default one, each with the events and subscribers that it serves."""
    found: dict[str, list[tuple[str, str]]] = {}
    for subscribers in _subscriptions.values():
        for one in subscribers.values():
            if one.queue != DEFAULT_QUEUE:
                found.setdefault(one.queue, []).append((one.kind, one.subscriber))
    return found


def event_names() -> list[str]:
    """The names of all events with subscribers."""
    return sorted(_subscriptions)
