"""Scenario: a node of RabbitMQ is killed, and comes up again some seconds later."""

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
        since, until = running.last(run.scaled(20, at_least=5))
        nodes.start(0)
        nodes.wait_for_all()
        running.last(SECONDS_BEFORE)
    down = attempts(crowd.history.of(Kind.POST), since=since, until=until)
    lasted = [w.ended - w.began for w in crowd.history.of(Kind.POST) if since <= w.began < until]
    return [
        *crowd.figures(),
        Figure(
            "posts not acknowledged while a node of the broker is down",
            down.failed,
            down.writes,
            at_most=0,
            notes=f"within {until - since:.0f} s; {down.repeated} were sent more than once; "
            f"publishing took {quantiles(lasted)}",
        ),
    ]
