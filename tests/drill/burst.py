"""Scenario: for some seconds there are ten times the posts, and the rule adds workers.

All workers of a stack share one machine, on which more of them do not do more. So SQL and CACHE are
some milliseconds away, behind proxies: a worker waits for them, as in an installation of many
machines, and more workers deliver more. What one worker does is measured first, and the usual rate
is a share of it. Posts are made in this process, because their requests would take the machine on
which the workers run.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.db import connections, transaction

from core.outbox import rows
from core.outbox.backlog import oldest_age
from core.outbox.subscriptions import DEFAULT_QUEUE
from core.outbox.tasks import wake
from devstack.scaling import scale
from tests.benchmarks.deliveries import Audience
from tests.benchmarks.population import add_posts
from tests.chaos.background import Background
from tests.chaos.proxy import Mode
from tests.chaos.report import Figure
from tests.chaos.scenario import Run
from tests.drill.autoscaler import ROLE, Autoscaler, rule_of_workers
from tests.drill.checkers import Sample, seconds_below
from tests.drill.watching import sampled
from tests.support.client import wait_until
from timeline import store

KIND, SUBSCRIBER = "post_published", "fanout"
FOLLOWERS = 1_000
# How far away SQL and CACHE are, in seconds in each direction.
AWAY = 0.02
TIMES = 10
# The usual rate, as a share of what one worker does.
USUAL = 0.7
SECONDS_BEFORE, SECONDS_OF_BURST = 8.0, 20.0
# The posts by which a worker is measured, and those before.
MEASURED, WARM_UP = 20, 5
# A post is late when it waits for longer.
LATE = 2.0
SECONDS_TO_RECOVER = 60.0
# How long no post must have been late, for the backlog to be gone.
SECONDS_TO_SETTLE = 6.0
# After so long, a burst is not watched any more.
SECONDS_WATCHED = 70.0
SECONDS_BETWEEN_LOOKS = 0.2
KEYS_AT_ONCE = 100


class Author(Background):
    """Publishes from a thread, at a rate that can be changed. Use as a context."""

    def __init__(self, audience: Audience) -> None:
        super().__init__()
        self.audience = audience
        self.post_ids: list[int] = []
        self.rate = 0.0

    def publish(self) -> None:
        """What the Write API does for a post that has no pictures."""
        author_id = self.audience.author_id
        with transaction.atomic("posts"):
            (post_id,) = add_posts([author_id], 1)
            payload = {"post_id": post_id, "author_id": author_id}
            event_id = rows.record(
                database="posts", kind=KIND, subscriber=SUBSCRIBER, payload=payload
            )
        wake(database="posts", event_id=event_id, queue=DEFAULT_QUEUE)
        self.post_ids.append(post_id)

    def _work(self) -> None:
        due = time.monotonic()
        try:
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                self.publish()
                due += 1 / self.rate
        finally:
            connections.close_all()


@dataclass(frozen=True)
class Course:
    """What a burst was like.

    `late`: the seconds from its begin until no post was late; SECONDS_WATCHED if some were still.
    `oldest`: the longest that a post has waited.
    """

    began: float
    posts: int
    late: float
    oldest: float


def burst(run: Run) -> list[Figure]:
    """A burst, while the rule adds workers."""
    world, rule = run.world, rule_of_workers()
    author, can_do = _author(run)
    scale(world.stack, {ROLE: rule.least})
    with Autoscaler(world.stack, rule, world.say) as autoscaler:
        course = _course(author, can_do, autoscaler.check)
    wait_until(_is_delivered, 120)
    return [
        _recovered(course, can_do, workers=autoscaler.steps, at_most=SECONDS_TO_RECOVER),
        Figure(
            "posts missing from a timeline",
            _missing(author.audience, author.post_ids),
            len(author.post_ids),
            at_most=0,
            notes=f"{len(author.audience.follower_ids):,} timelines",
        ),
    ]


def burst_unscaled(run: Run) -> list[Figure]:
    """The control: the same burst with as many workers as the rule has at least."""
    least = rule_of_workers().least
    author, can_do = _author(run)
    scale(run.world.stack, {ROLE: least})
    course = _course(author, can_do, lambda: None)
    steps = [(course.began, least)]
    return [_recovered(course, can_do, workers=steps, at_least=SECONDS_TO_RECOVER)]


def _author(run: Run) -> tuple[Author, float]:
    """An author with followers, and how many posts one worker delivers in a second."""
    author = Author(Audience.of(run.scaled(FOLLOWERS, at_least=100)))
    for name in ("primary", "cache"):
        run.world.faults.proxies[name].switch(Mode.DELAY, delay=AWAY)
    return author, _what_one_worker_does(run, author)


def _recovered(
    course: Course,
    can_do: float,
    *,
    workers: list[tuple[float, int]],
    at_most: float | None = None,
    at_least: float | None = None,
) -> Figure:
    rate = USUAL * can_do
    steps = ", ".join(
        f"{n} after {at - course.began:.0f} s" if at > course.began else f"{n} before"
        for at, n in workers
    )
    control = " without the rule (control)" if at_least else ""
    return Figure(
        f"until no post waits for {LATE:.0f} s, from the burst's begin{control}",
        course.late,
        course.posts,
        at_most=at_most,
        at_least=at_least,
        unit="s",
        notes=f"one worker delivers {can_do:.1f} posts/s; usually there are {rate:.1f}/s, and "
        f"{TIMES * rate:.0f}/s for {SECONDS_OF_BURST:.0f} s; workers: {steps}; the oldest post "
        f"waited for {course.oldest:.1f} s; SQL and CACHE are {1000 * AWAY:.0f} ms away",
    )


def _what_one_worker_does(run: Run, author: Author) -> float:
    """How many posts one worker delivers in a second."""
    scale(run.world.stack, {ROLE: 1})
    for _ in range(WARM_UP):
        author.publish()
    wait_until(_is_delivered)
    began = time.monotonic()
    for _ in range(MEASURED):
        author.publish()
    wait_until(_is_delivered)
    return MEASURED / (time.monotonic() - began)


def _course(author: Author, can_do: float, check: Callable[[], None]) -> Course:
    """Publish at the usual rate, then at TIMES that, and at the usual one until no post is late.

    `check` is called all the time.
    """
    published, oldest = len(author.post_ids), 0.0
    author.rate = USUAL * can_do
    with sampled(_is_in_time) as samples, author:

        def watch(until: float, *, is_enough: Callable[[], bool] = lambda: False) -> None:
            nonlocal oldest
            while time.monotonic() < until and not is_enough():
                author.check()
                check()
                oldest = max(oldest, _age())
                time.sleep(SECONDS_BETWEEN_LOOKS)

        def is_over() -> bool:
            since = time.monotonic() - SECONDS_TO_SETTLE
            return all(one.found for one in samples if one.at > since)

        watch(time.monotonic() + SECONDS_BEFORE)
        began = time.monotonic()
        author.rate = TIMES * USUAL * can_do
        watch(began + SECONDS_OF_BURST)
        author.rate = USUAL * can_do
        watch(began + SECONDS_OF_BURST + SECONDS_TO_SETTLE)
        watch(began + SECONDS_WATCHED, is_enough=is_over)
    return Course(
        began=began,
        posts=len(author.post_ids) - published,
        late=min(SECONDS_WATCHED, seconds_below(samples, since=began, level=1)),
        oldest=oldest,
    )


def _age() -> float:
    return oldest_age(kind=KIND)


def _is_delivered() -> bool:
    return _age() == 0


def _is_in_time() -> Sample:
    return Sample(time.monotonic(), int(_age() < LATE), 1)


def _missing(audience: Audience, post_ids: list[int]) -> int:
    """How many of the newest of these posts are missing from some timeline."""
    wanted = set(post_ids[-settings.TIMELINE_CAP :])
    missing: set[int] = set()
    keys = audience.keys()
    for first in range(0, len(keys), KEYS_AT_ONCE):
        pages = store.read_many(
            keys=keys[first : first + KEYS_AT_ONCE],
            before=None,
            limit=settings.TIMELINE_CAP,
            read_only=True,
        )
        for page in pages.values():
            missing |= wanted - {post_id for post_id, _ in page.refs} if page else wanted
    return len(missing)
