"""The latency of home timelines while the service is busy."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median, quantiles

from tests.benchmarks.figures import Figure
from tests.benchmarks.requests import HOME, Bench
from tests.benchmarks.servers import BARE_PATH, bare_site
from tests.chaos.checkers import good_rate
from tests.support.http_load import closed_loop, get, open_loop

CROWDS = (4, 8, 16)
PATIENCE = 5.0
LOAD = 0.7
SECONDS = 3.0


@dataclass(frozen=True)
class Waits:
    """The waiting times of one round, in ms; its requests, and how many were not answered."""

    p50: float
    p99: float
    asked: int
    refused: int

    @property
    def tail(self) -> float:
        return self.p99 / self.p50


def latency(bench: Bench, *, rounds: int) -> Iterator[Figure]:
    """Waiting times in an open loop at 70 % of a closed loop's peak, as medians of rounds.

    Each round measures its own peak just before. The speed of a shared machine changes by half
    within seconds, and 70 % of its best peak is more than its whole worst peak. For the same reason
    the tail, p99 by p50, is compared with that of the bare view in the same round: what else runs
    on the machine delays both.
    """
    people = bench.population
    token = people.token(people.few)
    with bare_site(bench.stack) as bare_port:
        port = bench.layout.port("caddy")
        home = Site(port, get(HOME, token=token, port=port))
        bare = Site(bare_port, get(BARE_PATH, token=token, port=bare_port))
        pairs = [(home.round(), bare.round()) for _ in range(rounds)]
    found = [waits for waits, _ in pairs]
    refused = sum(waits.refused for waits in found)
    yield Figure(
        "home timeline p99 by p50, at 70 % of the peak",
        median(waits.tail for waits in found),
        "x",
        sum(waits.asked for waits in found),
        reference=median(waits.tail for _, waits in pairs),
        reference_name="bare DRF view",
        ratio=median(waits.tail / bare_waits.tail for waits, bare_waits in pairs),
        at_most=1.5,
        note=f"p50 {median(waits.p50 for waits in found):.3g} ms, "
        f"p99 {median(waits.p99 for waits in found):.3g} ms; {rounds} rounds; peaks "
        f"{min(home.peaks):.0f} to {max(home.peaks):.0f}/s with {home.crowd} at once; "
        f"{refused} not answered; client and service share the machine",
    )


class Site:
    """A web server, a request to it, and how many clients at once get the most answers."""

    def __init__(self, port: int, message: bytes) -> None:
        self.port, self.message = port, message
        self.crowd = max(CROWDS, key=lambda at_once: _peak(port, message, at_once))
        self.peaks: list[float] = []

    def round(self) -> Waits:
        """Measure the peak, then the waiting times at LOAD of it."""
        self.peaks.append(_peak(self.port, self.message, self.crowd))
        return _waits(self.port, self.message, LOAD * self.peaks[-1])


def _peak(port: int, message: bytes, at_once: int) -> float:
    reads = closed_loop(port, [message], at_once=at_once, seconds=SECONDS, patience=PATIENCE)
    assert any(read.is_answered for read in reads)
    since = reads[0].began + 0.5
    return good_rate(reads, since=since, until=max(read.began for read in reads))


def _waits(port: int, message: bytes, rate: float) -> Waits:
    reads = open_loop(port, [message], rate=rate, seconds=SECONDS, patience=PATIENCE)
    # A request that was not answered counts as the longest wait.
    waits = [read.ended - read.began if read.is_answered else PATIENCE for read in reads]
    waited = quantiles((1000 * seconds for seconds in waits), n=100)
    refused = sum(not read.is_answered for read in reads)
    return Waits(waited[49], waited[98], len(reads), refused)
