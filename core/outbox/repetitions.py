"""What a request that died has left undone: its repetition does it.

A process may die between the commit of a request and what follows it. The sweeper delivers such
rows later. But the client sends its request again, is told that the work is done, and must see it
in the very next read. So each row has a tag: the request that announced it. A repetition finds the
work done and announces nothing; it delivers the pending rows that have its tag. It takes their
leases over, because the process that holds them may be the one that died.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from core.outbox import delivery, lookup
from core.outbox.models import OutboxEvent
from core.outbox.subscriptions import subscription_of
from core.outbox.tasks import wake
from core.sql.transactions import after_commit

# More than any request announces. A client that changes something again and again, while CACHE is
# down, leaves more behind: the sweeper delivers the rest.
MOST_ROWS = 20


@dataclass
class TaggedRequest:
    """A request with its tag, and whether it has announced anything yet."""

    tag: int
    has_announced: bool = False


_request: ContextVar[TaggedRequest | None] = ContextVar("tagged_request", default=None)


@contextmanager
def tagged_request(tag: int) -> Iterator[TaggedRequest]:
    """Tag all rows that the block announces. `tag`: 64 bits; the same each time that it is sent."""
    request = TaggedRequest(tag)
    token = _request.set(request)
    try:
        yield request
    finally:
        _request.reset(token)


def tag_of_announcement() -> int | None:
    """The tag for the rows of an announcement now; None outside of a tagged request."""
    request = _request.get()
    if request is None:
        return None
    request.has_announced = True
    return request.tag


def deliver_what_is_left(*, database: str, tag: int) -> None:
    """Do what follows the commit of a request, as far as it is not done.

    Errors are logged, and one row that fails holds up no other, as in the request itself.
    """
    for event in lookup.pending_of_request(database=database, tag=tag, limit=MOST_ROWS):
        after_commit(database, _deliver, database, event)


def _deliver(database: str, event: OutboxEvent) -> None:
    subscription = subscription_of(kind=event.kind, subscriber=event.subscriber)
    if subscription.in_request:
        delivery.deliver_in_request(database=database, event_id=event.pk)
    else:
        after_commit(database, subscription.do_first, event.payload)
        queue = subscription.queue
        after_commit(database, wake, database=database, event_id=event.pk, queue=queue)
