"""Scenarios: the primary of CACHE, of STATE or of SQL is killed, and never comes back."""

import time
from functools import partial

from tests.chaos.behaviours import at_home, publishing
from tests.chaos.client import Client, Member
from tests.chaos.history import Outcome
from tests.chaos.outcome import answered
from tests.chaos.report import Figure
from tests.chaos.scenario import Run
from tests.drill.checkers import (
    Sample,
    difference,
    differences,
    seconds_below,
    seconds_until_written,
)
from tests.drill.crowd import Crowd
from tests.drill.watching import Guest, Lookups, probe_timelines, sampled
from tests.support import clusters, postgres, sentinels

SECONDS_BEFORE = 5.0
HIT_RATIO = 0.96
LOG_INS = 500
# The hit ratio is that of so many samples, two seconds.
SAMPLES_APART = 4
# After a manager has noticed the loss.
SECONDS_TO_PROMOTE = 1.0


def cache_primary(run: Run) -> list[Figure]:
    """Kill a primary of CACHE; its replica takes over."""
    cache = run.world.beside
    assert isinstance(cache, clusters.Servers)
    # Nobody's timeline is cold, which would be a miss.
    crowd = Crowd.of(run, posts=6000, is_warm=lambda _: True)
    with (
        crowd.at_work(publishing, visit=at_home, writing=2, reading=4) as running,
        sampled(Lookups(cache).take) as served,
        sampled(partial(probe_timelines, crowd.warm)) as probed,
    ):
        before, _ = running.last(SECONDS_BEFORE)
        lost_at = time.monotonic()
        cache.processes[cache.primaries[0]].kill()
        _, ended = running.last(run.scaled(40, at_least=12))
    lookups = differences(served, apart=SAMPLES_APART)
    seconds = max(
        seconds_below(series, since=lost_at, level=HIT_RATIO) for series in (lookups, probed)
    )
    healthy = _between(served, before, lost_at)
    since = _between(served, lost_at, ended)
    return [
        *crowd.figures(),
        answered(
            "reads answered from the loss of a primary of CACHE on",
            crowd.history.reads,
            (lost_at, ended),
            at_least=0.999,
        ),
        Figure(
            "until CACHE's hit ratio is back above 96 %",
            seconds,
            since.asked,
            at_most=15,
            unit="s",
            notes=f"N: lookups, by the servers' INFO; {healthy.share:.1%} were hits before, "
            f"{since.share:.1%} since, "
            f"{min(one.share for one in lookups if one.at >= lost_at):.1%} at the worst; a "
            f"client found {min(one.share for one in probed if one.at >= lost_at):.0%} of "
            f"{len(crowd.warm)} warm timelines at the worst",
        ),
    ]


def _between(totals: list[Sample], since: float, until: float) -> Sample:
    """What was found and asked in a span of time, by running totals."""
    first, *_, last = [sample for sample in totals if since <= sample.at < until]
    return difference(first, last)


def state_primary(run: Run) -> list[Figure]:
    """Kill STATE's primary; the Sentinels choose another one."""
    state = run.world.beside
    assert isinstance(state, sentinels.Group)
    crowd = Crowd.of(run, posts=6000)
    with crowd.at_work() as running, Guest(run.world.origin) as guest:
        running.last(SECONDS_BEFORE)
        log_ins = _log_ins(crowd.visitors)
        lost_at = time.monotonic()
        state.processes[state.primary()].kill()
        running.last(run.scaled(30, at_least=20))
    logged_out = _logged_out(run, log_ins)
    rounds = [one for one in guest.rounds if one.at >= lost_at]
    return [
        *crowd.figures(),
        Figure(
            "until log-in, write and read succeed without STATE's former primary",
            seconds_below(rounds, since=lost_at, level=1),
            len(rounds),
            at_most=15,
            unit="s",
            notes="N: rounds of the three"
            + "".join(f"; {number} {what}" for what, number in guest.failures.items()),
        ),
        Figure(
            f"log-ins lost, of the last {LOG_INS} before",
            logged_out,
            len(log_ins),
            notes="these people log in again",
        ),
    ]


def _log_ins(members: list[Member]) -> list[Member]:
    """Log in again and again, one log-in after the other; a result for each."""
    made = [Member(members[number % len(members)].user) for number in range(LOG_INS)]
    assert all(member.log_in() for member in made)
    return made


def _logged_out(run: Run, members: list[Member]) -> int:
    with Client(run.world.origin) as client:
        return sum(not client.is_logged_in(member) for member in members)


def sql_primary(run: Run) -> list[Figure]:
    """Kill the primary of SQL; the replica that has received most is promoted a second later."""
    group = run.world.beside
    assert isinstance(group, postgres.Group)
    wanted = run.scaled(2000, at_least=200)
    crowd = Crowd.of(run, posts=3 * wanted)
    history = crowd.history
    with crowd.at_work() as running:
        running.await_(lambda: len(history.acknowledged()) >= wanted / 2, seconds=90)
        lost_at = time.monotonic()
        postgres.end(group.processes[group.primary])
        gone_at = time.monotonic()
        running.last(SECONDS_TO_PROMOTE)
        group.promote()
        running.await_(
            lambda: (
                len(history.acknowledged()) >= wanted
                and any(write.began > gone_at for write in history.acknowledged())
            ),
            seconds=120,
        )
    back = seconds_until_written(history.writes, since=gone_at, lost_at=lost_at)
    repeated = sum(write.attempts > 1 for write in history.acknowledged())
    failed = sum(write.outcome == Outcome.UNKNOWN for write in history.writes)
    return [
        *crowd.figures(f"{repeated} posts were sent more than once"),
        Figure(
            "until writes succeed without SQL's former primary",
            back,
            len(history.acknowledged()),
            at_most=30,
            unit="s",
            notes=f"promoted {SECONDS_TO_PROMOTE:.0f} s after the loss; "
            f"{failed} writes of unknown outcome",
        ),
    ]
