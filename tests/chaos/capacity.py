"""Scenario: under a load of twice its capacity, the service still serves nearly its capacity.

Client and service share the machine. So the request costs the service much more than the client:
it is a home timeline of 100 posts, which the client does not parse. One thread runs the open loop,
because a thread for each waiting request would cost more than the service.
"""

import time
from collections.abc import Iterator, Sequence
from random import Random

from tests.chaos.checkers import good_rate, quantiles
from tests.chaos.client import Member
from tests.chaos.load import Actor, load
from tests.chaos.report import Figure
from tests.chaos.scenario import Run
from tests.support.feeds import make_many_posts
from tests.support.http_load import get, open_loop

ADDRESS = "/timeline/home?limit=100"
# The time-out of a client of the open loop, in seconds.
PATIENCE = 3.0
# People at once in the closed loop: more and more, until the rate hardly grows.
CROWDS = (2, 4, 8, 16, 32)
WORTH_IT = 1.05
SECONDS_AT_PEAK = 4.0
OFFERED = 2.0
# The first seconds of the open loop do not count, because the queue is still filling.
SECONDS_TO_SETTLE = 2 * PATIENCE


def goodput(run: Run) -> list[Figure]:
    """Find the peak of a closed loop, then send twice that rate in an open loop."""
    members = run.world.people(16, follows=8)
    make_many_posts([member.id for member in members], 20 * len(members))
    peak, crowd = _peak(run, members)
    used = time.process_time()
    seconds = max(2.0 * SECONDS_TO_SETTLE, 20.0 * min(1.0, run.scale * 2))
    rate = OFFERED * peak
    began = time.monotonic()
    port = run.world.stack.layout.port("caddy")
    requests = [get(f"/api/v1{ADDRESS}", token=member.token, port=port) for member in members]
    reads = open_loop(port, requests, rate=rate, seconds=seconds, patience=PATIENCE)
    used = (time.process_time() - used) / seconds
    good = good_rate(reads, since=began + SECONDS_TO_SETTLE, until=began + seconds)
    answered = quantiles(read.ended - read.began for read in reads if read.is_answered)
    # If the last request began late, the client could not send so many.
    late = max(0.0, max(read.began for read in reads) - (began + seconds))
    shed = sum(read.status == 503 for read in reads)
    return [
        Figure(
            "goodput at twice capacity, against the peak",
            good / peak,
            len(reads),
            at_least=0.8,
            is_share=True,
            notes=f"peak {peak:.0f}/s with {crowd} at once; offered {rate:.0f}/s for "
            f"{seconds:.0f} s, good {good:.0f}/s, {shed} shed with 503, "
            f"{sum(read.status == 0 for read in reads)} given up after {PATIENCE:.0f} s; "
            f"the good took {answered}; the last began {late:.1f} s late; "
            f"the client took {used:.0%} of a core",
        )
    ]


def _asking(actor: Actor, mine: Sequence[Member], random: Random) -> Iterator[None]:
    while True:
        actor.read(random.choice(mine), ADDRESS)
        yield


def _peak(run: Run, members: Sequence[Member]) -> tuple[float, int]:
    """The highest rate of a closed loop, and its number of people."""
    best, best_crowd = 0.0, 0
    for crowd in CROWDS:
        everybody = [members[number % len(members)] for number in range(crowd)]
        with load(run.world.origin, everybody, _asking, threads=crowd, seed=run.seed) as running:
            running.last(1.0)
            since, until = running.last(SECONDS_AT_PEAK)
        rate = good_rate(running.history.reads, since=since, until=until)
        if rate < best * WORTH_IT:
            return max((best, best_crowd), (rate, crowd))
        best, best_crowd = rate, crowd
    return best, best_crowd
