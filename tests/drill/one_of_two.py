"""Scenarios: one of two beats, workers and APIs is lost; the web server is reconfigured."""

import time

from devstack.scaling import scale
from tests.chaos.behaviours import publishing
from tests.chaos.checkers import check_availability, quantiles
from tests.chaos.report import Figure
from tests.chaos.scenario import Run
from tests.drill.checkers import Span, attempts
from tests.drill.crowd import Crowd

# Of two each. The first beat is the one that leads.
LOST = ("beat-1", "worker-1", "read-api-1", "write-api-1")
SECONDS_BETWEEN_RELOADS = 2.0


def one_of_two(run: Run) -> list[Figure]:
    """Lose an instance of each role, one after the other; none comes back."""
    world = run.world
    scale(world.stack, {"beat": 2})
    seconds = run.scaled(15, at_least=2)
    crowd = Crowd.of(run, posts=8000)
    spans: dict[str, Span] = {}
    with crowd.at_work(publishing) as running:
        running.last(2.0)
        for name in LOST:
            began = time.monotonic()
            world.faults.lose(name)
            spans[f"{name} is lost"] = (began, running.last(seconds)[1])
    return [
        *(_failed(crowd, what, span) for what, span in spans.items()),
        *crowd.figures(),
    ]


def reload(run: Run) -> list[Figure]:
    """Reload the web server's configuration again and again for some seconds."""
    crowd = Crowd.of(run, posts=4000)
    with crowd.at_work(publishing) as running:
        began, _ = running.last(2.0)
        for _ in range(run.scaled(10, at_least=1)):
            run.world.faults.reload_web_server()
            running.last(SECONDS_BETWEEN_RELOADS)
        ended = time.monotonic()
    return [
        _failed(crowd, "the web server's configuration is reloaded", (began, ended)),
        *crowd.figures(),
    ]


def _failed(crowd: Crowd, what: str, span: Span) -> Figure:
    """The requests of a span of time that failed for their clients."""
    since, until = span
    reads = check_availability(crowd.history.reads, since=since, until=until)
    posts = attempts(crowd.history.writes, since=since, until=until)
    lasted = [
        read.ended - read.began for read in crowd.history.reads if since <= read.began < until
    ]
    return Figure(
        f"requests failed, also when sent again: {what}",
        reads.reads - reads.answered + posts.failed,
        reads.reads + posts.writes,
        at_most=0,
        notes=f"{posts.repeated} of {posts.writes} posts had no answer at first, and one when they "
        f"were sent again with the same key; reads took {quantiles(lasted)}",
    )
