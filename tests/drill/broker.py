"""Scenario: a node of RabbitMQ is killed, and comes up again some seconds later."""

import math

from tests.chaos.checkers import quantiles
from tests.chaos.history import Kind
from tests.chaos.report import Figure
from tests.chaos.scenario import Run
from tests.drill.checkers import attempts
from tests.drill.crowd import Crowd
from tests.support import rabbits

SECONDS_BEFORE = 3.0


def broker(run: Run) -> list[Figure]:
    """Kill the node that the clients know first; later start it again."""
    nodes = run.world.beside
    assert isinstance(nodes, rabbits.Nodes)
    crowd = Crowd.of(run, posts=8000)
    with crowd.at_work() as running:
        running.last(SECONDS_BEFORE)
        nodes.kill(0)
        since, _ = running.last(run.scaled(20, at_least=5))
        nodes.start(0)
        nodes.wait_for_all()
        running.last(SECONDS_BEFORE)
    posts = [write for write in crowd.history.of(Kind.POST) if write.ended >= since]
    after = attempts(posts, since=since, until=math.inf)
    return [
        *crowd.figures(),
        Figure(
            "posts not acknowledged from the loss of a node of the broker on",
            after.failed,
            after.writes,
            at_most=0,
            notes=f"{after.repeated} were sent more than once; "
            f"publishing took {quantiles(post.ended - post.began for post in posts)}",
        ),
    ]
