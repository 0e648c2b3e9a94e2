"""All scenarios, in the order in which they run. Those of one setup share a stack."""

from tests.chaos.availability import (
    primary_down,
    replica_killed,
    replica_swallowed,
    rolling_restart,
    share_of_replica,
)
from tests.chaos.capacity import goodput
from tests.chaos.durability import (
    everything_killed,
    frozen_workers,
    network,
    own_writes_seen,
    sticking_off,
    sweeper_off,
)
from tests.chaos.mixed_reads import nobody_goes_back
from tests.chaos.retries import retried_writes
from tests.chaos.scenario import Scenario
from tests.chaos.world import Setup

PLAIN = Setup("plain")
PROXIED = Setup("proxied", is_proxied=True)
# Normally a replica that lags far behind is out of rotation. To test LSNs, it must be used.
_USE_ANY_REPLICA = ("REPLICA_MAX_LAG", "86400")
LAGGING = Setup("lagging", environ=(_USE_ANY_REPLICA,))
# For the controls: the sweeper and reading one's own writes are off.
WITHOUT = Setup(
    "defective",
    environ=(_USE_ANY_REPLICA, ("OUTBOX_SWEEP_SECONDS", "86400"), ("READ_YOUR_WRITES", "off")),
)

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("replica_share", PLAIN, "Read while all is well.", share_of_replica),
        Scenario("goodput", PLAIN, "Offer twice what the service can do.", goodput),
        Scenario("rolling_restart", PLAIN, "Restart everything under load.", rolling_restart),
        Scenario("frozen_workers", PLAIN, "Freeze workers, then kill them.", frozen_workers),
        Scenario("everything_killed", PLAIN, "Kill -9 of everything, by turns.", everything_killed),
        Scenario("retried_writes", PLAIN, "Kill the Write API, retry, read.", retried_writes),
        Scenario("replica_killed", PLAIN, "Read without the replica.", replica_killed),
        Scenario("primary_down", PLAIN, "Read and write without the primary.", primary_down),
        Scenario("own_writes", LAGGING, "Read own writes, replay paused.", own_writes_seen),
        Scenario("mixed_reads", LAGGING, "Read lists, replay is late.", nobody_goes_back),
        Scenario("network", PROXIED, "Delay, cut, swallow connections.", network),
        Scenario(
            "replica_swallowed", PROXIED, "Read, the replica says nothing.", replica_swallowed
        ),
        Scenario("sticking_off", WITHOUT, "Control: own_writes, no sticking.", sticking_off),
        # Last, because its lost deliveries stay in the outbox.
        Scenario("sweeper_off", WITHOUT, "Control: frozen_workers, no sweeper.", sweeper_off),
    )
}
