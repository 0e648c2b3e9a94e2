"""Fan-out: one worker's deliveries, against the bare script and the methods of two other projects.

The other projects' methods are their Valkey commands alone, without any code around them, on the
same server, for the same followers, whose ids are given:

- BookWyrm 0.9.2 (`bookwyrm/activitystreams.py`, `redis_store.py`): ZADD, trim, INCR and HINCRBY for
  each follower, all in one MULTI.
- Stream-Framework 1.4.0 (`storage/redis/timeline_storage.py`): a round trip for each follower.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

from core.outbox import rows, tasks
from core.valkey import cache_valkey, exchange_packed, packed
from tests.benchmarks.figures import Figure
from tests.benchmarks.population import add_accounts, add_followers, add_posts, warm
from timeline import scripts, store
from timeline.keys import home_key
from timeline.store import Ref

CAP = 800
# Timelines that the bare script is given at once.
RAW_KEYS = 500
# BookWyrm's timeline length; the number of followers in Stream-Framework's measurement.
BOOKWYRM_CAP, STREAM_FOLLOWERS = 200, 1000
_audiences = itertools.count(1)


@dataclass
class Took:
    """Wall-clock seconds, and CPU seconds of this process."""

    wall: float = 0.0
    cpu: float = 0.0


@contextmanager
def took() -> Iterator[Took]:
    """Measure the block. The result is filled in at its end."""
    found = Took()
    wall, cpu = time.perf_counter(), time.process_time()
    yield found
    found.wall, found.cpu = time.perf_counter() - wall, time.process_time() - cpu


@dataclass(frozen=True)
class Rates:
    """Of one method, by round: deliveries per second; the client's CPU microseconds for one."""

    per_second: Sequence[float]
    cpu: Sequence[float]

    def against(self, other: "Rates") -> float:
        """How many times as fast as another method; the median of all rounds."""
        return median(
            mine / theirs for mine, theirs in zip(self.per_second, other.per_second, strict=True)
        )


@dataclass(frozen=True)
class Audience:
    """An author, and followers whose timelines are full and warm."""

    author_id: int
    follower_ids: Sequence[int]

    @staticmethod
    def of(count: int) -> "Audience":
        """Make a new author with `count` new followers, whose home timelines are full."""
        number = next(_audiences)
        (author_id,) = add_accounts(f"author_{number}_", 1)
        follower_ids = sorted(add_accounts(f"follower_{number}_", count))
        add_followers(author_id, follower_ids)
        warm(follower_ids, [(post_id, author_id) for post_id in add_posts([author_id], CAP)])
        return Audience(author_id, follower_ids)

    def deliver(self) -> Took:
        """Deliver a post by the worker's own task. Returns the time of the whole task."""
        (post_id,) = add_posts([self.author_id], 1)
        event_id = rows.record(
            database="posts",
            kind="post_published",
            subscriber="fanout",
            payload={"post_id": post_id, "author_id": self.author_id},
            wake_after=timedelta(days=1),  # so that no worker delivers it
        )
        with took() as delivery:
            tasks.deliver_event(database="posts", event_id=event_id)
        self.check((post_id, self.author_id))
        return delivery

    def check(self, ref: Ref) -> None:
        """Check that the post is on top of every follower's timeline."""
        newest = store.read_many(keys=self.keys(), before=None, limit=1, read_only=True)
        assert all(page is not None and page.refs == [ref] for page in newest.values())

    def keys(self) -> list[str]:
        return [home_key(user_id) for user_id in self.follower_ids]

    def raw_script(self) -> Took:
        """Run the deliver script alone, RAW_KEYS timelines per call, with prepared commands."""
        (post_id,) = add_posts([self.author_id], 1)
        entry = store._ENTRY.pack(post_id, self.author_id)
        sha = cache_valkey().script_load(scripts._source("deliver"))
        keys = [key.encode() for key in self.keys()]
        commands = [
            (
                *(b"EVALSHA", sha.encode(), b"%d" % len(keys[n : n + RAW_KEYS])),
                *keys[n : n + RAW_KEYS],
                *(b"%d" % CAP, b"%d" % (CAP // store.SLACK), b"", entry),
            )
            for n in range(0, len(keys), RAW_KEYS)
        ]
        message = packed(commands)
        with took() as deliveries:
            delivered = exchange_packed(cache_valkey(), message, len(commands))
        assert sum(delivered) == len(keys)
        return deliveries

    def like_bookwyrm(self) -> Took:
        """Deliver by one MULTI pipeline with four commands per follower."""
        now = time.time()
        with took() as deliveries:
            pipeline = cache_valkey().pipeline(transaction=True)
            for user_id in self.follower_ids:
                stream = f"peer:{user_id}-home"
                pipeline.zadd(stream, {str(now): now})
                pipeline.zremrangebyrank(stream, 0, -(BOOKWYRM_CAP + 1))
                pipeline.incr(f"{stream}-unread")
                pipeline.hincrby(f"{stream}-unread-by-type", "Status", 1)
            pipeline.execute()
        return deliveries

    def like_stream_framework(self) -> Took:
        """Deliver by a ZADD and a trim per follower, in a separate round trip each."""
        now = time.time()
        client = cache_valkey()
        with took() as deliveries:
            for user_id in self.follower_ids[:STREAM_FOLLOWERS]:
                pipeline = client.pipeline(transaction=False)
                pipeline.zadd(f"peer:feed:{user_id}", {str(now): now})
                pipeline.zremrangebyrank(f"peer:feed:{user_id}", 0, -(CAP + 1))
                pipeline.execute()
        return deliveries

    def fill_peers(self) -> None:
        """Fill the other projects' timelines, so that each delivery trims."""
        pipeline = cache_valkey().pipeline(transaction=False)
        for key, cap in self._of_peers():
            pipeline.zadd(key, {f"0.{number}": number for number in range(cap)})
            if len(pipeline) == 100:
                pipeline.execute()
        pipeline.execute()

    def forget_peers(self) -> None:
        pipeline = cache_valkey().pipeline(transaction=False)
        for key, _ in self._of_peers():
            pipeline.unlink(key, f"{key}-unread", f"{key}-unread-by-type")
        pipeline.execute()

    def _of_peers(self) -> Iterator[tuple[str, int]]:
        for user_id in self.follower_ids:
            yield f"peer:{user_id}-home", BOOKWYRM_CAP
        for user_id in self.follower_ids[:STREAM_FOLLOWERS]:
            yield f"peer:feed:{user_id}", CAP


def _rates(ways: Sequence[tuple[Callable[[], Took], int]], rounds: int) -> list[Rates]:
    """The rates of several methods, measured in turn. `ways`: (method, its deliveries per run)."""
    for way, _ in ways:
        way()
    turns = [[way() for way, _ in ways] for _ in range(rounds)]
    return [
        Rates(
            [deliveries / turn.wall for turn in mine],
            [turn.cpu / deliveries * 1e6 for turn in mine],
        )
        for (_, deliveries), mine in zip(ways, zip(*turns, strict=True), strict=True)
    ]


def fan_out(*, followers: int, rounds: int) -> Iterator[Figure]:
    """The delivery rates, and the worker's CPU per delivery."""
    audience = Audience.of(followers)
    audience.fill_peers()
    ours, raw, bookwyrm, stream = _rates(
        [
            (audience.deliver, followers),
            (audience.raw_script, followers),
            (audience.like_bookwyrm, followers),
            (audience.like_stream_framework, min(followers, STREAM_FOLLOWERS)),
        ],
        rounds,
    )
    audience.forget_peers()
    for name, other, at_least in (
        ("BookWyrm's way", bookwyrm, 5.0),
        ("Stream-Framework's way", stream, None),
        ("the script alone", raw, 0.6),
    ):
        yield Figure(
            f"fan-out of one worker, against {name}",
            median(ours.per_second),
            "deliveries/s",
            rounds * followers,
            reference=median(other.per_second),
            reference_name=name,
            ratio=ours.against(other),
            at_least=at_least,
            note=f"{followers:,} followers, timelines of {CAP}",
        )
    yield Figure(
        "client CPU a delivery",
        median(ours.cpu),
        "us",
        rounds * followers,
        at_most=1.5,
        moves_with_machine=True,
    )
