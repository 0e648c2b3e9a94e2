"""Scenarios: an acknowledged write is there, once, and its writer sees it."""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack

from core.valkey import cache_valkey
from tests.chaos.behaviours import mixed, own_writes, publishing, reads_home
from tests.chaos.checkers import check_own_reads, quantiles
from tests.chaos.client import Client, Member
from tests.chaos.faults import Monkey
from tests.chaos.history import History, Kind
from tests.chaos.load import home_address, load
from tests.chaos.outcome import acknowledged_posts, checked, posts_figures, warm
from tests.chaos.report import Figure
from tests.chaos.scenario import Run
from tests.chaos.schedule import schedule
from tests.support.client import wait_until
from timeline.keys import home_key

KILLS = (
    "kill worker",
    "kill worker",
    "kill beat",
    "kill valkey-cache",
    "kill valkey-state",
    "kill postgres-primary",
    "kill write-api",
    "kill read-api",
    "kill-child write-api",
    "kill-child read-api",
    "freeze valkey-cache",
    "freeze-and-kill worker",
)
NETWORK = tuple(
    f"{mode} {server}"
    for mode in ("delay", "cut", "blackhole")
    for server in ("cache", "state", "primary", "replica")
)
SECONDS_BETWEEN_FAULTS = 4.0
# So many because many of them wait for a server that is down.
THREADS = 16
PEOPLE, FOLLOWS = 40, 4
# So many followers that a delivery has several steps.
MANY = 8


def everything_killed(run: Run) -> list[Figure]:
    """Kill -9 each kind of process in KILLS, under load."""
    return _under_fire(run, faults=KILLS, wanted=run.scaled(5000, at_least=100))


def network(run: Run) -> list[Figure]:
    """The same checks while the application's connections are delayed, cut and swallowed."""
    return _under_fire(run, faults=NETWORK, wanted=run.scaled(500, at_least=50))


def _under_fire(run: Run, *, faults: Sequence[str], wanted: int) -> list[Figure]:
    """Run the load until `wanted` posts are acknowledged and each fault has happened once."""
    world = run.world
    members = world.people(PEOPLE, follows=FOLLOWS, media=2 * wanted // PEOPLE + 20)
    warm(run, [member for member in members if reads_home(member)])
    plan = schedule(seed=run.seed, faults=faults, every=SECONDS_BETWEEN_FAULTS)
    with ExitStack() as ending:
        running = ending.enter_context(
            load(world.origin, members, mixed, threads=THREADS, seed=run.seed)
        )
        monkey = ending.enter_context(Monkey(world.faults, plan, world.say))

        def is_enough() -> bool:
            monkey.check()
            return acknowledged_posts(running) >= wanted and len(monkey.done) >= len(faults)

        running.await_(is_enough, seconds=180 + wanted / 5)
    drained = world.drain()
    are_warm = sum(bool(cache_valkey().exists(home_key(member.id))) for member in members)
    happened = ", ".join(f"{n} {what}" for what, n in sorted(Counter(monkey.done).items()))
    return posts_figures(
        run,
        members,
        running.history,
        follows=FOLLOWS,
        notes=f"drained after {drained:.0f} s; {are_warm} of {PEOPLE} timelines were warm; "
        f"{happened}",
    )


def frozen_workers(run: Run) -> list[Figure]:
    """Freeze workers in the middle of deliveries, lose the wake-ups, and kill the workers."""
    world, history = run.world, History()
    each = 20
    rounds = run.scaled(5, at_least=1)
    members = world.people(20, follows=MANY, media=2 * each)
    warm(run, members)
    drained = 0.0
    for number in range(1, rounds + 1):
        _frozen_then_killed(run, members, history, wanted=number * each)
        drained = max(drained, world.drain())
    notes = f"drained after {drained:.0f} s at most"
    return posts_figures(run, members, history, follows=MANY, notes=notes)


def _frozen_then_killed(run: Run, members: list[Member], history: History, wanted: int) -> None:
    faults = run.world.faults
    workers = faults.names("worker")
    few = load(run.world.origin, members, publishing, threads=4, seed=run.seed, history=history)
    with few as running:
        # Some deliveries are running, ...
        running.await_(lambda: acknowledged_posts(running) >= wanted - 10, seconds=60)
        for worker in workers:
            faults.freeze(worker)
        # ... and others become due while the workers are frozen.
        running.await_(lambda: acknowledged_posts(running) >= wanted, seconds=60)
    faults.lose_wake_ups()
    for worker in workers:
        faults.kill(worker)


def sweeper_off(run: Run) -> list[Figure]:
    """The control: without the sweeper, deliveries of frozen workers are lost and noticed."""
    world, history = run.world, History()
    members = world.people(20, follows=MANY, media=40)
    warm(run, members)
    _frozen_then_killed(run, members, history, wanted=20)
    world.await_up()
    # Workers deliver again: a new post arrives.
    first = members[0]
    before = len(first.posts)
    with load(
        world.origin, [first], publishing, threads=1, seed=run.seed, history=history
    ) as running:
        running.await_(lambda: len(first.posts) > before, seconds=60)
    with Client(world.origin) as client:
        wait_until(
            lambda: first.posts[-1] in client.get(members[-1], home_address(members[-1])).ids(), 60
        )
    result = checked(run, members, history, follows=MANY)
    return [
        Figure(
            "posts missing with the sweeper off (control)",
            len(result.lost_posts),
            result.acknowledged,
            at_least=1,
        )
    ]


def own_writes_seen(run: Run) -> list[Figure]:
    """Each writer sees their own write, however far the replica is behind."""
    result, notes = _own_writes(run, wanted=run.scaled(10_000, at_least=300))
    what = "own writes not seen, WAL replay paused"
    return [Figure(what, result, notes[0], at_most=0, notes=notes[1])]


def sticking_off(run: Run) -> list[Figure]:
    """The control: with READ_YOUR_WRITES=off the same reads miss writes, and it is noticed."""
    result, notes = _own_writes(run, wanted=300)
    what = "own writes not seen with sticking off (control)"
    return [Figure(what, result, notes[0], at_least=1, notes=notes[1])]


def _own_writes(run: Run, wanted: int) -> tuple[int, tuple[int, str]]:
    """Returns the number of unseen writes, and (the number of all, notes)."""
    world = run.world
    people = 96
    media = wanted // people + 10
    members = run.inhabitants(people, follows=0, posts=1)
    for member, fresh in zip(members, world.pictures(members, media), strict=True):
        member.media.extend(fresh)
    with (
        world.faults.replay_paused(),
        load(world.origin, members, own_writes, threads=8, seed=run.seed) as running,
    ):
        running.await_(
            lambda: (
                len(running.history.acknowledged()) + len(running.history.later) >= wanted
                and len(running.history.later) > 0
            ),
            seconds=120 + wanted / 10,
        )
    history = running.history
    acknowledged = history.acknowledged()
    at_once = check_own_reads(write.seen for write in acknowledged)
    later = check_own_reads(history.later)
    per_kind = Counter(write.kind for write in acknowledged if write.seen is not None)
    missed = Counter(write.kind for write in acknowledged if write.seen is False)
    notes = (
        f"{per_kind[Kind.RENAME]:,} in users, {per_kind[Kind.POST]:,} in posts, "
        f"{per_kind[Kind.COMMENT]:,} in comments, {later.pairs:,} looked at again seconds later "
        f"(missed: {missed[Kind.RENAME]}, {missed[Kind.POST]}, {missed[Kind.COMMENT]}, "
        f"{later.not_seen}); "
        f"{at_once.unanswered + later.unanswered} reads unanswered; "
        f"reads took {quantiles(read.ended - read.began for read in history.reads)}"
    )
    return at_once.not_seen + later.not_seen, (at_once.pairs + later.pairs, notes)
