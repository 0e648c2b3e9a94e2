"""The timelines in Valkey and their sizes, read-only. CACHE down: raises `ValkeyUnavailable`."""

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import islice
from operator import add

from timeline import store
from timeline.entries import Timeline, home_timeline, profile_timeline
from timeline.keys import HOME_PREFIX, PROFILE_PREFIX
from timeline.store import Snapshot

# How many timelines are compared, measured or dropped together.
BATCH_SIZE = 100
# RANDOMKEY draws from all keys of CACHE: at most this many draws for each timeline wanted.
DRAWS_PER_TIMELINE = 50

Batch = list[Timeline]


@dataclass(frozen=True)
class Size:
    """How many timelines, their entries together, and the bytes of memory that they take."""

    timelines: int = 0
    entries: int = 0
    memory: int = 0

    def __add__(self, other: "Size") -> "Size":
        return Size(*map(add, astuple(self), astuple(other)))


def timelines_of(*, user_id: int) -> Batch:
    """Both timelines of a user, warm or not: home, profile."""
    return [home_timeline(user_id=user_id), profile_timeline(user_id=user_id)]


def warm_timelines() -> Iterator[Batch]:
    """All timelines in Valkey, also those being built, in batches of one kind; by SCAN.

    Each comes once, though SCAN may find a key twice while the server moves its keys. A timeline
    that is made or dropped meanwhile may be missing or present.
    """
    for prefix in (HOME_PREFIX, PROFILE_PREFIX):
        timelines = _warm_timelines(prefix)
        while batch := list(islice(timelines, BATCH_SIZE)):
            yield batch


def _warm_timelines(prefix: str) -> Iterator[Timeline]:
    seen: set[int] = set()
    for key in store.scan_keys(prefix=prefix):
        timeline = _timeline_at(key)
        if timeline is not None and timeline.user_id not in seen:
            seen.add(timeline.user_id)
            yield timeline


def _timeline_at(key: str) -> Timeline | None:
    """The timeline at a key of CACHE; None when the key is not a timeline's."""
    number = key.rpartition(":")[2]
    if not number.isdecimal():
        return None
    # The id may have leading zeros, or another slot's tag: then it is no key of ours.
    both = timelines_of(user_id=int(number))
    return next((timeline for timeline in both if timeline.key == key), None)


def sampled_timelines(*, count: int) -> Batch:
    """Up to `count` distinct timelines in Valkey, drawn at random.

    Fewer when there are fewer, or when other keys of CACHE use up the DRAWS_PER_TIMELINE draws, or
    servers of a cluster that have none. One round trip for each `count` draws.
    """
    drawn: dict[str, Timeline] = {}
    for _ in range(DRAWS_PER_TIMELINE):
        keys = store.random_keys(count=count)
        for key in keys - drawn.keys():
            if timeline := _timeline_at(key):
                drawn[key] = timeline
        if len(drawn) >= count:
            break
    return list(drawn.values())[:count]


def peek(*, timeline: Timeline) -> Snapshot | None:
    """A whole timeline as it is in Valkey; None when cold."""
    return store.peek(key=timeline.key)


def size(*, timelines: Sequence[Timeline]) -> Size:
    """The size of those of some timelines that exist; one round trip."""
    pairs = store.sizes(keys=[timeline.key for timeline in timelines])
    return Size(len(pairs), sum(entries for entries, _ in pairs), sum(used for _, used in pairs))
