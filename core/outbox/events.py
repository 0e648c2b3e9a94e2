"""Domain events: an app announces to the apps above it what has happened.

    post_edited: Event[PostEdited] = Event("post_edited", PostEdited, database="posts")

    post_edited.announce(PostEdited(post_id=7))          # inside the transaction of the change

    @post_edited.subscribe("posts", in_request=True)     # in posts/handlers.py
    def refresh_record(post: PostEdited, cursor: int) -> Iterator[Step]: ...

`announce` writes one outbox row for each subscriber, in the caller's transaction. After the commit
it wakes a worker for the row, or delivers the row itself if the subscriber is `in_request`. A
failure after the commit is logged and does not fail the request: the sweeper wakes the row again.
docs/architecture.md lists every event.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Generic, TypeVar

from django.db import connections

from core.outbox import rows
from core.outbox.delivery import deliver_in_request
from core.outbox.repetitions import tag_of_announcement
from core.outbox.subscriptions import DEFAULT_QUEUE, Handler, Subscription, subscribers_of
from core.outbox.tasks import wake
from core.sql.transactions import after_commit

Payload = TypeVar("Payload")
# No request runs so long: those that began before a change have ended by then.
AFTER_THE_LAST_REQUEST = timedelta(minutes=2)
# A `longest_pause`, in seconds, of deliveries until which somebody sees what they may not.
SHORT_PAUSE = 4


class Event(Generic[Payload]):
    """One kind of event. `payload`: a frozen dataclass of ids and plain JSON values. `database`:
    the alias of the database of the change.
    """

    def __init__(self, name: str, payload: type[Payload], *, database: str) -> None:
        self.name, self.payload, self.database = name, payload, database

    def subscribe(
        self,
        subscriber: str,
        *,
        in_request: bool = False,
        first: Callable[[Payload], object] | None = None,
        queue: str = DEFAULT_QUEUE,
        longest_pause: int = rows.MAX_BACKOFF_SECONDS,
    ) -> Callable[[Handler[Payload]], Handler[Payload]]:
        """Decorator: makes a function the handler of the app `subscriber` for this event.

        The handler may run more than once for one announcement. `in_request`: the announcing
        request runs it, after the commit; for little work that the next read depends on. `first`:
        the request calls it after the commit, before it wakes a worker; the handler must do the
        same work too. `queue`: whose workers run it; a queue of its own for long work.
        `longest_pause`: a delivery that fails is tried again after at most so many seconds. Raises
        ValueError if the app has subscribed already.
        """

        def register(handler: Handler[Payload]) -> Handler[Payload]:
            Subscription(
                self.name,
                subscriber,
                self.payload,
                handler,
                in_request,
                first,
                queue,
                longest_pause,
            ).register()
            return handler

        return register

    def announce(
        self, payload: Payload, *, after: timedelta | None = None, around: str | None = None
    ) -> None:
        """Write a row for each subscriber, in the caller's transaction on `database`. Raises
        RuntimeError outside of one.

        `after`: only the sweeper delivers the rows, once this time has passed. `around`: the
        caller's transaction is inside of one on this database, and what follows the commit waits
        for that one, so that its locks are free.
        """
        committed = around or self.database
        for alias in (self.database, committed):
            if not connections[alias].in_atomic_block:
                raise RuntimeError(f"{self.name} is announced outside of a transaction on {alias}")
        tag = tag_of_announcement()
        for subscription in subscribers_of(self.name):
            event_id = rows.record(
                database=self.database,
                kind=self.name,
                subscriber=subscription.subscriber,
                payload=vars(payload),
                wake_after=rows.FIRST_WAKE if after is None else after,
                request_tag=tag if after is None else None,
            )
            if after is not None:
                continue
            if subscription.first is not None:
                after_commit(committed, subscription.first, payload)
            row = {"database": self.database, "event_id": event_id}
            if subscription.in_request:
                after_commit(committed, deliver_in_request, **row)
            else:
                after_commit(committed, wake, **row, queue=subscription.queue)
