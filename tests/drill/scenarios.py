"""All scenarios of the drill, in the order in which they are played."""

from collections.abc import Callable

from tests.chaos.report import Figure
from tests.chaos.scenario import Run, Scenario
from tests.chaos.world import Setup, running
from tests.drill.broker import broker
from tests.drill.burst import burst, burst_unscaled
from tests.drill.one_of_two import one_of_two, reload
from tests.drill.primaries import cache_primary, sql_primary, state_primary

PLAIN = Setup("plain")
DELAYED = Setup("delayed", is_proxied=True)

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "cache-primary",
            Setup("cache-cluster"),
            "Lose one of CACHE's three primaries.",
            cache_primary,
        ),
        Scenario("state-primary", Setup("state-group"), "Lose STATE's primary.", state_primary),
        Scenario("sql-primary", Setup("sql-group"), "Lose the primary of SQL.", sql_primary),
        Scenario("one-of-two", PLAIN, "Lose one of two of each role.", one_of_two),
        Scenario("reload", PLAIN, "Reload the web server's configuration.", reload),
        Scenario("broker", Setup("rabbitmq"), "Lose a node of RabbitMQ, and get it back.", broker),
        Scenario("burst", DELAYED, "Ten times the posts; the rule adds workers.", burst),
        Scenario("burst-unscaled", DELAYED, "Control: burst, without the rule.", burst_unscaled),
    )
}


def play(
    name: str, *, seed: int, scale: float, beside: object, say: Callable[[str], object]
) -> list[Figure]:
    """Play one scenario on a stack of its own, beside which its servers run."""
    scenario = SCENARIOS[name]
    with running(scenario.setup, say, beside=beside) as world:
        return scenario.play(Run(world, seed=seed, scale=scale))
